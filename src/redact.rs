//! Tokens and addresses as logs, errors and status pages may show them.
//!
//! A token names one person's verification and opens its callbacks; an address can carry credentials in its user
//! part or query. Neither is ever written out in full.

use url::Url;

/// The beginning of a token: four characters, or half of a short one, and an ellipsis.
/// Control characters are escaped, since callers choose their tokens.
///
/// ```
/// use vision_service::redact::shorten;
/// assert_eq!(shorten("f3a9c1d2-77aa"), "f3a9…");
/// assert_eq!(shorten("abc"), "a…");
/// ```
pub fn shorten(token: &str) -> String {
    let keep = (token.chars().count() / 2).min(4);
    let mut short: String = token.chars().take(keep).flat_map(char::escape_debug).collect();
    short.push('…');
    short
}

/// Scheme, host, port and path: without user, password, query and fragment.
pub fn address(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let path = if url.path() == "/" { "" } else { url.path() };
    format!("{}://{host}{port}{path}", url.scheme())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_whole() {
        for (token, shown) in [
            ("", "…"),
            ("a", "…"),
            ("ab", "a…"),
            ("12345678", "1234…"),
            ("é€ü日本語文字", "é€ü日…"),
            ("\n\u{1b}[31mred", "\\n\\u{1b}[3…"),
        ] {
            assert_eq!(shorten(token), shown);
        }
    }

    #[test]
    fn an_address_has_no_credentials() {
        for (url, shown) in [
            ("https://user:secret@host:8443/cb/?key=secret#secret", "https://host:8443/cb/"),
            ("http://host/", "http://host"),
            ("http://[::1]:80/x", "http://[::1]/x"),
        ] {
            assert_eq!(address(&url.parse().unwrap()), shown);
        }
    }
}
