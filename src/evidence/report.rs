//! The page that a human reviewer reads: one HTML file that needs nothing else, neither scripts nor a network.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::plot;
use super::record::{Door, Record, RecordPicture, Role};
use super::video::Videos;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem;border-bottom:1px solid #d5d9de;padding-bottom:.2rem}\
.ok{color:#116329}.bad{color:#a40e26}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;\
border-bottom:1px solid #eceef1;overflow-wrap:anywhere}th{white-space:nowrap;font-weight:600}\
.pictures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;max-width:19rem}img,video{width:100%;border-radius:.3rem}\
figcaption,.note{font-size:.85rem;color:#57606a}\
svg{width:100%;max-width:45rem;display:block}svg text{font:10px system-ui,sans-serif;fill:#57606a}svg text.y{text-anchor:end}\
.frame{fill:none;stroke:#d5d9de}polyline{fill:none;stroke:#0550ae;stroke-width:1.5}\
line.threshold{stroke:#bc4c00;stroke-dasharray:5 3}svg text.threshold{fill:#bc4c00}line.mark{stroke:#116329;stroke-dasharray:2 2}";

/// A text inside HTML: what would be markup is escaped.
pub(super) struct Text<'a>(pub &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The whole page.
pub(super) fn page(record: &Record, videos: &Videos) -> String {
    let mut page = String::with_capacity(64 * 1024);
    // Writing into a String does not fail.
    let _ = write(&mut page, record, videos);
    page
}

fn write(out: &mut String, record: &Record, videos: &Videos) -> fmt::Result {
    let id = record.id.as_str();
    let kind = if record.is_ok { "ok" } else { "bad" };
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">\
         <title>Evidence {id}</title><style>{STYLE}</style>\
         <h1>Evidence: <span class=\"{kind}\">{}</span></h1>",
        Text(&record.outcome)
    )?;
    summary(out, record)?;
    pictures(out, record)?;
    films(out, videos)?;
    challenge(out, record)?;
    checks(out, &record.checks)?;
    signals(out, record)?;
    section(out, "Times", "Milliseconds since the beginning.")?;
    table(out, &record.timings)?;
    section(out, "Versions", "")?;
    out.push_str("<table>");
    row(out, "vision-service", env!("CARGO_PKG_VERSION"))?;
    for (name, version) in &record.models {
        row(out, name, version)?;
    }
    out.push_str("</table></html>");
    Ok(())
}

fn summary(out: &mut String, record: &Record) -> fmt::Result {
    out.push_str("<table id=\"summary\">");
    let door = match record.door {
        Door::Call => "flow (a call)",
        Door::Frame => "session (the frame door)",
    };
    row(out, door, record.id.as_str())?;
    if let Some(reason) = &record.reason {
        row(out, "reason", reason)?;
    }
    if !record.errors.is_empty() {
        let codes: Vec<_> = record.errors.iter().map(u16::to_string).collect();
        row(out, "errors", &codes.join(", "))?;
    }
    row(out, "began", &humantime::format_rfc3339_seconds(record.began).to_string())?;
    row(out, "ended", &humantime::format_rfc3339_seconds(record.ended).to_string())?;
    out.push_str("</table>");
    Ok(())
}

fn pictures(out: &mut String, record: &Record) -> fmt::Result {
    section(out, "Pictures", "Of the subject, as the camera saw them (not mirrored).")?;
    if record.pictures.is_empty() {
        out.push_str("<p>None was taken.</p>");
        return Ok(());
    }
    out.push_str("<div class=\"pictures\">");
    for picture in &record.pictures {
        let title = title(picture);
        write!(out, "<figure><img alt=\"{}\" src=\"data:{};base64,", Text(&title), picture.kind().0)?;
        BASE64_STANDARD.encode_string(&picture.file, out);
        write!(out, "\"><figcaption><b>{}</b>, {}", Text(&title), time(picture.at_ms))?;
        if let Value::Object(scores) = &picture.scores {
            for (name, value) in scores {
                write!(out, "<br>{}: {}", Text(name), Text(&plain(value)))?;
            }
        }
        out.push_str("</figcaption></figure>");
    }
    out.push_str("</div>");
    Ok(())
}

/// They are beside the page, which stays small; nothing is loaded before somebody wants to see it.
fn films(out: &mut String, Videos { videos, videos_cut }: &Videos) -> fmt::Result {
    if videos.is_empty() {
        return Ok(());
    }
    section(out, "Videos", "What the camera sent; they play where this page lies beside the package's other files.")?;
    if *videos_cut {
        out.push_str("<p>There was more than is kept of one (EVIDENCE_VIDEO_LIMIT).</p>");
    }
    out.push_str("<div class=\"pictures\">");
    for video in videos {
        let file = Text(&video.file);
        write!(
            out,
            "<figure><video controls preload=\"none\" src=\"{file}\"></video><figcaption><b>{file}</b>, {}, from {}, \
             {} pictures in {}",
            Text(video.codec),
            time(video.at_ms),
            video.pictures,
            time(video.duration_ms)
        )?;
        for (at, how) in &video.turned {
            write!(out, "<br>from {}: {}", time(*at), Text(how))?;
        }
        out.push_str("</figcaption></figure>");
    }
    out.push_str("</div>");
    Ok(())
}

fn title(picture: &RecordPicture) -> String {
    match picture.role {
        Role::BestShot => "best shot".to_owned(),
        Role::Gesture => format!("gesture {}", picture.gesture.as_deref().unwrap_or_default()),
    }
}

fn challenge(out: &mut String, record: &Record) -> fmt::Result {
    section(out, "Challenge", "What was asked for, in order.")?;
    if record.challenge.is_empty() {
        out.push_str("<p>Nothing was asked for.</p>");
        return Ok(());
    }
    out.push_str("<ol id=\"challenge\">");
    for step in &record.challenge {
        write!(out, "<li><b>{}</b>, asked for at {}", Text(&step.name), time(step.asked_ms))?;
        if let Some(completed) = step.completed_ms {
            write!(out, ", completed at {}", time(completed))?;
        }
        out.push_str("</li>");
    }
    out.push_str("</ol>");
    Ok(())
}

fn checks(out: &mut String, checks: &Value) -> fmt::Result {
    section(out, "Checks", "A check that is <i>observe</i> decides nothing.")?;
    let Value::Object(checks) = checks else { return Ok(()) };
    out.push_str("<table id=\"checks\"><tr><th>check</th><th>mode</th><th>verdict</th><th>score</th><th></th></tr>");
    for (name, check) in checks {
        let field = |key: &str| check.get(key).map(plain).unwrap_or_default();
        let verdict = field("verdict");
        let kind = match verdict.as_str() {
            "passed" => "ok",
            "failed" => "bad",
            _ => "",
        };
        let more: Vec<_> = check.as_object().into_iter().flatten().collect();
        let more = more.into_iter().filter(|(key, _)| !matches!(key.as_str(), "mode" | "verdict" | "score"));
        let more = more.map(|(key, value)| (key, plain(value))).filter(|(_, value)| !value.is_empty());
        let more: Vec<_> = more.map(|(key, value)| format!("{key}: {value}")).collect();
        write!(
            out,
            "<tr><th>{}</th><td>{}</td><td class=\"{kind}\">{}</td><td>{}</td><td>{}</td></tr>",
            Text(name),
            Text(&field("mode")),
            Text(&verdict),
            Text(&field("score")),
            Text(&more.join(", "))
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

fn signals(out: &mut String, record: &Record) -> fmt::Result {
    section(out, "Signals", "Over time; dashed lines are thresholds, dotted ones pictures that were taken.")?;
    let marks: Vec<_> = record.pictures.iter().map(|picture| (picture.at_ms, title(picture))).collect();
    for series in &record.signals {
        let Some(svg) = plot::svg(series, &marks) else { continue };
        let unit = if series.unit.is_empty() { String::new() } else { format!(" ({})", series.unit) };
        write!(out, "<h3>{}{}</h3>{svg}", Text(&series.name), Text(&unit))?;
    }
    Ok(())
}

fn section(out: &mut String, title: &str, note: &str) -> fmt::Result {
    write!(out, "<h2>{title}</h2>")?;
    if note.is_empty() { Ok(()) } else { write!(out, "<p class=\"note\">{note}</p>") }
}

fn table(out: &mut String, values: &Value) -> fmt::Result {
    out.push_str("<table>");
    for (name, value) in values.as_object().into_iter().flatten() {
        row(out, name, &plain(value))?;
    }
    out.push_str("</table>");
    Ok(())
}

fn row(out: &mut String, name: &str, value: &str) -> fmt::Result {
    write!(out, "<tr><th>{}</th><td>{}</td></tr>", Text(name), Text(value))
}

fn time(at_ms: u64) -> String {
    format!("{:.1} s", at_ms as f32 / 1000.0)
}

/// A value in a sentence; scores to three digits.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.3}", number.as_f64().unwrap_or_default()),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::testing::record;

    #[test]
    fn the_page_has_everything_in_it_and_nothing_runs() {
        let page = page(&record("f1"), &Videos::default());
        assert_eq!(page.matches("<img ").count(), 2);
        assert_eq!(page.matches("src=\"data:image/jpeg;base64,/9j/").count(), 2);
        assert_eq!(page.matches("<svg").count(), 1);
        for text in ["frozen_stream", "passed", "blink", "completed at 2.4 s", "face_landmarks", "verified"] {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("<script") && !page.contains("http"), "nothing is loaded");
    }

    #[test]
    fn what_others_wrote_is_no_markup() {
        let evil = "<script>alert(1)</script>\"'&";
        let mut record = record("f1");
        record.outcome = evil.into();
        record.reason = Some(evil.into());
        record.challenge[0].name = evil.into();
        record.pictures[1].gesture = Some(evil.into());
        record.pictures[1].scores = serde_json::json!({evil: evil});
        record.checks = serde_json::json!({evil: {"verdict": evil, "mode": evil, evil: evil}});
        record.timings = serde_json::json!({evil: evil});
        record.models.insert(evil.into(), evil.into());
        record.signals[0].name = evil.into();
        record.signals[0].thresholds[0].name = evil.into();
        let page = page(&record, &Videos::default());
        assert!(!page.contains("<script") && !page.contains("\"'&"), "{page}");
        assert!(page.matches("&lt;script&gt;").count() >= 14);
    }
}
