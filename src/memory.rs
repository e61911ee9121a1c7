//! How the C library's allocator is set up.

/// Blocks from this size on are mapped, and given back to the system as soon as they are freed.
const MAPPED_FROM: libc::c_int = 128 * 1024;

/// Keeps what a flow leaves behind small. Encoders and decoders take their pictures in blocks of megabytes; glibc raises its
/// threshold for mapping to the largest of them, and from then on keeps the holes that they leave between smaller ones.
/// Setting the threshold, to its own default, stops it from moving. To be called before there are threads.
pub fn set_up_allocator() {
    // SAFETY: mallopt has no preconditions; an option it does not know is refused.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
        libc::mallopt(libc::M_TRIM_THRESHOLD, MAPPED_FROM);
    }
}
