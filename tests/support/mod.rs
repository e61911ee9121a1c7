//! Helpers of the integration tests.

pub mod assets;
pub mod call;
pub mod certificates;
pub mod child;
pub mod chromium;
pub mod controller;
pub mod frame_client;
pub mod frame_door;
pub mod lit;
pub mod mediasoup;
pub mod process;
pub mod random;
pub mod redis_server;
pub mod relay;
pub mod repertoire;
pub mod room_server;
pub mod service;
pub mod studio;
pub mod turn_server;
pub mod udp_forwarder;

/// Whole verifications take both cores: one at a time.
pub async fn serial() -> tokio::sync::MutexGuard<'static, ()> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    TURN.lock().await
}
