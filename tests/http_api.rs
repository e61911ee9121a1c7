//! `/join-call`, `/flows`, `/health`: what is refused, and how.

use serde_json::{Value, json};
use vision_service::app::Application;

use crate::support::controller::{Behaviour, TestController};
use crate::support::service::{self, TestService};

async fn post(service: &TestService, body: Value) -> (u16, Value) {
    answer(reqwest::Client::new().post(service.url("/join-call")).json(&body)).await
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
}

fn call(controller: &TestController, token: &str) -> Value {
    json!({"ws_url": "direct:r", "callback_base_url": controller.url(), "token": token, "lang": "en"})
}

#[tokio::test]
async fn a_call_is_accepted_once_and_can_be_asked_about() {
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[("flow.time_limit", "2s")]).await;
    let (status, accepted) = post(&service, call(&controller, "tok-1")).await;
    assert_eq!(status, 200, "{accepted}");
    assert_eq!(accepted["mm_response"], "");
    assert!(accepted["msj"].is_string());
    let id = accepted["flow_id"].as_str().unwrap();
    assert_eq!(id.len(), 32);

    let (status, refused) = post(&service, call(&controller, "tok-1")).await;
    assert_eq!((status, &refused["error"]), (409, &json!("token_running")));
    assert_eq!(refused["flow_id"], id);

    let (status, flow) = answer(reqwest::Client::new().get(service.url(&format!("/flows/{id}")))).await;
    assert_eq!(status, 200);
    assert_eq!(flow["flow_id"], id);
    assert!(!flow.to_string().contains("tok-1"), "no token: {flow}");

    // Nobody comes.
    assert_eq!(controller.outcome("tok-1", std::time::Duration::from_secs(10)).await.as_deref(), Some("failure"));
    let flow = service.flow(id).await;
    assert_eq!((&flow["outcome"], &flow["reason"]), (&json!("failed"), &json!("subject_absent")), "{flow}");
    let report = controller.calls().into_iter().find(|c| c.verb == "failure").unwrap();
    assert_eq!(report.idempotency_key.as_deref(), Some(id));
    assert!(report.body.is_empty());
    service.stop().await;
    assert_eq!(controller.outcomes("tok-1"), ["failure"]);
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[]).await;
    let client = reqwest::Client::new();
    let url = service.url("/join-call");

    let (status, body) = answer(client.post(&url).header("content-type", "application/json").body("{")).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_json")));
    assert!(body.get("traceback").is_none());
    let (status, body) = answer(client.post(&url).header("content-type", "text/plain").body("{}")).await;
    assert_eq!((status, &body["error"]), (415, &json!("unsupported_media_type")));
    let (status, body) = answer(client.post(&url).body(vec![b'x'; 100_000])).await;
    assert_eq!((status, &body["error"]), (413, &json!("body_too_large")));
    let (status, body) = post(&service, json!({"ws_url": "direct:r", "token": "t"})).await;
    assert_eq!((status, &body["error"]), (422, &json!("invalid_request")));
    assert!(body["message"].as_str().unwrap().contains("callback_base_url"), "{body}");
    let (status, body) = answer(client.get(&url)).await;
    assert_eq!((status, &body["error"]), (405, &json!("method_not_allowed")));
    let (status, body) = answer(client.get(service.url("/nothing"))).await;
    assert_eq!((status, &body["error"]), (404, &json!("not_found")));
    let (status, body) = answer(client.get(service.url("/flows/00"))).await;
    assert_eq!((status, &body["error"]), (404, &json!("unknown_flow")));

    // Unknown languages and fields are no reason to refuse, and a type is not required.
    let mut odd = call(&controller, "odd");
    odd["lang"] = json!("tlh");
    odd["extra"] = json!({"more": []});
    let (status, body) = answer(client.post(&url).body(odd.to_string())).await;
    assert_eq!(status, 200, "{body}");
    service.stop().await;
}

#[tokio::test]
async fn more_flows_than_configured_are_refused_for_now() {
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[("flow.max_flows", "1")]).await;
    assert_eq!(post(&service, call(&controller, "a")).await.0, 200);
    let response =
        reqwest::Client::new().post(service.url("/join-call")).json(&call(&controller, "b")).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    service.stop().await;
}

#[tokio::test]
async fn the_api_token_guards_everything_but_health_and_the_call_page() {
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[("http.api_token", "s3cret"), ("http.demo", "true")]).await;
    let client = reqwest::Client::new();
    for path in ["/flows/00", "/nothing", "/demo"] {
        let (status, body) = answer(client.get(service.url(path))).await;
        assert_eq!((status, &body["error"]), (401, &json!("unauthorized")), "{path}");
    }
    let (status, _) = post(&service, call(&controller, "t")).await;
    assert_eq!(status, 401);
    assert_eq!(client.get(service.url("/health")).send().await.unwrap().status(), 200);
    assert_eq!(client.get(service.url("/call/room")).send().await.unwrap().status(), 200);
    let request = client.post(service.url("/join-call")).bearer_auth("s3cret").json(&call(&controller, "t"));
    assert_eq!(answer(request).await.0, 200);
    service.stop().await;
}

#[tokio::test]
async fn health_tells_models_provider_and_load() {
    let service = service::start(&[]).await;
    let (status, health) = answer(reqwest::Client::new().get(service.url("/health"))).await;
    assert_eq!((status, &health["status"]), (200, &json!("ok")), "{health}");
    assert_eq!(health["running_flows"], 0);
    assert!(health["max_flows"].as_u64().unwrap() >= 1);
    let runtime = &health["runtime"];
    assert!(runtime["max_batch"].as_u64().unwrap() >= 1 && runtime["library"].is_string(), "{runtime}");
    assert_ne!(runtime["provider"], "auto");
    assert!(runtime["version"].as_str().unwrap().starts_with("1."), "{runtime}");
    assert_eq!(health["codecs"][0]["codec"], "VP8");
    assert!(health["codecs"][0]["decoder"].as_str().unwrap().ends_with("dec"), "{health}");
    let ids: Vec<_> = health["models"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"face_detector"), "{ids:?}");
    assert_eq!(health["liveness"]["frozen_stream"], "enforce", "{health}");
    let present = if ids.contains(&"face_antispoof") { "present" } else { "absent" };
    assert_eq!(health["antispoof_network"], present, "{health}");
    assert_eq!(health["glasses_network"], "absent", "nobody asked for it: {health}");
    service.stop().await;
}

#[tokio::test]
async fn a_service_that_is_told_to_stop_ends_its_flows_and_says_so() {
    let controller = TestController::start(Behaviour::default()).await;
    let service = service::start(&[]).await;
    assert_eq!(post(&service, call(&controller, "t")).await.0, 200);
    let begun = std::time::Instant::now();
    service.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    assert_eq!(controller.outcomes("t"), ["failure"]);
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let config = service::config(&[("http.port", &port)]);
    let error = Application::build(config).await.err().unwrap().to_string();
    assert!(error.contains(&port), "{error}");
}
