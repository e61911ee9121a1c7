//! A person in a real browser, their camera a clip: from the page's first frame to the controller's outcome.

use std::time::Duration;

use serde_json::json;

use crate::support::assets::{Scratch, asset, frame_of};
use crate::support::chromium::{Chromium, Launch, camera_file};
use crate::support::controller::{Behaviour, TestController};
use crate::support::{serial, service};

/// How many pixels of the returned video's upper part are as bright as only letters are.
pub const LETTERS: &str = "(() => {
    const video = document.querySelector('video.remote');
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height / 3);
    let bright = 0;
    for (let i = 0; i < data.length; i += 4) bright += data[i] > 225 && data[i + 1] > 225 && data[i + 2] > 225;
    return bright;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_in_a_browser_is_verified() {
    let _turn = serial().await;
    let Some(person) = asset("a_person_in_a_browser_is_verified", "lp_d12.mp4") else { return };
    let scratch = Scratch::new("browser");
    let camera = camera_file(&person, &scratch.0);
    let controller =
        TestController::start(Behaviour { references: vec![frame_of(&person, 0.2)], ..Behaviour::default() }).await;
    // The clip's blinks last three frames; a browser that shares two cores with the networks may send one of them.
    let service = service::start(&[("flow.starting", "1s"), ("challenge.gestures", "smile,openCloseMouth")]).await;

    // The page is there before the flow.
    let mut browser = Chromium::launch(Launch { camera: Some(&camera), window: (390, 844), deny_camera: false }).await;
    browser.open(&service.url("/call/browser")).await;
    browser.wait_for("document.body.innerText.trim().length > 0", Duration::from_secs(10)).await;
    let flow = service.join("browser", &controller.url(), "browser").await;
    service.wait_for(&flow, Duration::from_secs(30), |f| f["state"] == "challenge").await;
    tokio::time::sleep(Duration::from_millis(700)).await;

    let letters = browser.evaluate(LETTERS).await.as_i64().unwrap();
    let picture = browser.screenshot().await;
    let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("call-page.png");
    std::fs::write(&kept, &picture).unwrap();
    assert!(
        letters > 500,
        "no instruction is seen in the returned video ({letters} bright pixels); see {}",
        kept.display()
    );

    let status = service.wait_for(&flow, Duration::from_secs(70), |f| !f["outcome"].is_null()).await;
    assert_eq!(status["outcome"], json!("verified"), "{status}");
    browser.wait_for("/verified/i.test(document.body.innerText)", Duration::from_secs(10)).await;
    assert_eq!(controller.outcome("browser", Duration::from_secs(10)).await.as_deref(), Some("success"));
    drop(browser);
    service.stop().await;
}
