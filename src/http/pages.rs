//! The built-in pages: `/call/{room}`, `/selfie`, `/demo`, and the files that they are made of, all from `assets/web`.
//!
//! The files are part of the program. They load nothing from elsewhere, and the headers see to it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use warp::http::{HeaderValue, StatusCode, header};
use warp::{Filter, Rejection};

use super::reply::{Reply, error, with_type};
use crate::room::is_room_name;

/// Scripts, styles and requests from this origin only; WebSockets to it are part of `connect-src 'self'`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal, $type:expr) => {
        ($name, $type, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/web/", $name)))
    };
}

const CALL_PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/web/call.html"));
const SELFIE_PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/web/selfie.html"));
const DEMO_PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/web/demo.html"));

/// Served under `/call/assets/`, which is open to everybody as the call pages are.
const FILES: &[(&str, &str, &str)] = &[
    file!("style.css", STYLE),
    file!("icon.svg", ICON),
    file!("dom.js", SCRIPT),
    file!("words.js", SCRIPT),
    file!("camera.js", SCRIPT),
    file!("call.js", SCRIPT),
    file!("stage.js", SCRIPT),
    file!("call-page.js", SCRIPT),
    file!("demo-page.js", SCRIPT),
    file!("selfie.css", STYLE),
    file!("selfie-page.js", SCRIPT),
    file!("liveness-client.js", SCRIPT),
    file!("prompts.js", SCRIPT),
];

/// What pages of other sites may import: the client of the frame door.
const FOR_OTHER_SITES: [&str; 2] = ["liveness-client.js", "prompts.js"];

/// A file as it is sent.
struct Page {
    content_type: &'static str,
    body: Bytes,
    etag: HeaderValue,
}

impl Page {
    fn new(content_type: &'static str, body: String) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = HeaderValue::from_str(&format!("\"{:x}\"", hasher.finish())).expect("hexadecimal digits");
        Self { content_type, body: body.into(), etag }
    }

    /// The page, or 304 when the browser has it already.
    fn reply(&self, has: Option<&str>) -> Reply {
        let mut reply = match has.is_some_and(|has| has.as_bytes() == self.etag.as_bytes()) {
            true => with_type(StatusCode::NOT_MODIFIED, self.content_type, Bytes::new()),
            false => with_type(StatusCode::OK, self.content_type, self.body.clone()),
        };
        let headers = reply.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        for (name, value) in [
            // Always asked for anew: the room's page must fit the service that runs now.
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            // The room's name is in the address, and it is what lets people in.
            (header::REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert("permissions-policy", HeaderValue::from_static("camera=(self), microphone=(), geolocation=()"));
        reply
    }
}

/// The filter. `https_port`: where the same pages are served over HTTPS when this listener is plain; the page leads
/// there, since browsers give the camera to secure pages only. `demo`, `selfie`: whether these are served.
pub fn filter(
    https_port: Option<u16>,
    demo: bool,
    selfie: bool,
) -> impl Filter<Extract = (Reply,), Error = Rejection> + Clone + Send + Sync + 'static {
    let html = |page: &str| {
        let port = https_port.map(|p| p.to_string()).unwrap_or_default();
        Arc::new(Page::new(HTML, page.replace("{{https_port}}", &port)))
    };
    let (call_page, selfie_page, demo_page) = (html(CALL_PAGE), html(SELFIE_PAGE), html(DEMO_PAGE));
    let files: Arc<[(&str, Page)]> =
        FILES.iter().map(|(name, content_type, text)| (*name, Page::new(content_type, (*text).into()))).collect();

    let get = warp::get().and(warp::header::optional::<String>("if-none-match"));
    let call =
        warp::path!("call" / String).and(get).map(move |room: String, has: Option<String>| match is_room_name(&room) {
            true => call_page.reply(has.as_deref()),
            false => error(
                StatusCode::NOT_FOUND,
                "not_found",
                "a room's name has letters, digits, dots, dashes and underscores",
            ),
        });
    let assets = warp::path!("call" / "assets" / String).and(get).map(move |name: String, has: Option<String>| {
        match files.iter().find(|(n, _)| *n == name) {
            Some((name, page)) => {
                let mut reply = page.reply(has.as_deref());
                if FOR_OTHER_SITES.contains(name) {
                    reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                }
                reply
            }
            None => error(StatusCode::NOT_FOUND, "not_found", "there is no such file"),
        }
    });
    let selfie = warp::path!("selfie").and(get).and_then(move |has: Option<String>| {
        let reply = if selfie { Ok(selfie_page.reply(has.as_deref())) } else { Err(warp::reject::not_found()) };
        async move { reply }
    });
    let demo = warp::path!("demo").and(get).and_then(move |has: Option<String>| {
        let reply = if demo { Ok(demo_page.reply(has.as_deref())) } else { Err(warp::reject::not_found()) };
        async move { reply }
    });
    call.or(assets).unify().or(selfie).unify().or(demo).unify()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [(&str, &str, &str); 3] =
        [("call.html", HTML, CALL_PAGE), ("selfie.html", HTML, SELFIE_PAGE), ("demo.html", HTML, DEMO_PAGE)];

    async fn get(path: &str, etag: Option<&str>) -> warp::http::Response<Bytes> {
        let mut request = warp::test::request().path(path);
        if let Some(etag) = etag {
            request = request.header("if-none-match", etag);
        }
        request.reply(&filter(Some(5443), true, true)).await
    }

    #[tokio::test]
    async fn pages_are_served_with_their_headers() {
        for (path, content_type) in [
            ("/call/room-1", HTML),
            ("/selfie", HTML),
            ("/demo", HTML),
            ("/call/assets/style.css", STYLE),
            ("/call/assets/call.js", SCRIPT),
        ] {
            let answer = get(path, None).await;
            assert_eq!(
                (answer.status(), answer.headers()["content-type"].to_str().unwrap()),
                (StatusCode::OK, content_type),
                "{path}"
            );
            assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
            let etag = answer.headers()["etag"].to_str().unwrap();
            let again = get(path, Some(etag)).await;
            assert!(again.status() == StatusCode::NOT_MODIFIED && again.body().is_empty());
        }
        for path in ["/call/assets/none.js", "/call/a%20b", "/call", "/call/a/b", "/demo/x"] {
            assert_eq!(get(path, None).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
        for path in ["/demo", "/selfie"] {
            let answer =
                warp::test::request().path(path).reply(&filter(None, path != "/demo", path != "/selfie")).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path} is switched off");
        }
    }

    #[tokio::test]
    async fn other_sites_may_import_the_client_and_what_it_imports() {
        for (name, _, text) in FILES {
            let answer = get(&format!("/call/assets/{name}"), None).await;
            let open = answer.headers().get("access-control-allow-origin").is_some_and(|allowed| allowed == "*");
            assert_eq!(open, FOR_OTHER_SITES.contains(name), "{name}");
            assert!(!open || !text.contains("from \"./"), "{name} stands alone");
        }
    }

    #[tokio::test]
    async fn a_page_knows_where_https_is() {
        for path in ["/call/x", "/selfie", "/demo"] {
            let answer = get(path, None).await;
            let html = std::str::from_utf8(answer.body()).unwrap();
            assert!(html.contains("data-https-port=\"5443\"") && !html.contains("{{"), "{path}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_is_inline() {
        for (name, content_type, text) in PAGES.iter().chain(FILES) {
            // The only absolute address in there is a namespace.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for foreign in ["src=\"http", "href=\"http", "from \"http", "@import", "url(http", "//cdn"] {
                assert!(!text.contains(foreign), "{name}: {foreign}");
            }
            if *content_type == HTML {
                for inline in ["<style", " style=", " onclick", "javascript:"] {
                    assert!(!text.contains(inline), "{name}: {inline}");
                }
                assert_eq!(
                    text.matches("<script").count(),
                    text.matches("<script type=\"module\" src=").count(),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn every_file_that_is_imported_is_served() {
        let served: Vec<&str> = FILES.iter().map(|f| f.0).collect();
        for (name, _, text) in PAGES.iter().chain(FILES) {
            for (start, _) in text.match_indices("from \"./") {
                let wanted = text[start + 8..].split('"').next().unwrap();
                assert!(served.contains(&wanted), "{name} imports {wanted}");
            }
            for (start, _) in text.match_indices("assets/") {
                let wanted = text[start + 7..].split('"').next().unwrap();
                assert!(served.contains(&wanted), "{name} names {wanted}");
            }
        }
    }
}
