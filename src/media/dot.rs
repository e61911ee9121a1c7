//! GStreamer's graphs of pipelines (`GST_DEBUG_DUMP_DOT_DIR` draws the same) as they may leave the process. Pure.
//!
//! GStreamer writes the fields of caps beside each link, the SRTP keys of a call and every attribute of the other side's
//! SDP among them, so only fields that are known to be harmless are kept. Properties are not asked for in the first
//! place: TURN credentials and private keys are properties.

/// What is asked of GStreamer: media types and caps of links, states of elements and pads, no properties.
pub const DETAILS: gst::DebugGraphDetails = gst::DebugGraphDetails::MEDIA_TYPE
    .union(gst::DebugGraphDetails::CAPS_DETAILS)
    .union(gst::DebugGraphDetails::STATES);

/// Fields of caps that are kept.
const FIELDS: [&str; 21] = [
    "format",
    "width",
    "height",
    "framerate",
    "pixel-aspect-ratio",
    "interlace-mode",
    "colorimetry",
    "profile",
    "level",
    "stream-format",
    "alignment",
    "media",
    "encoding-name",
    "clock-rate",
    "payload",
    "packetization-mode",
    "profile-level-id",
    "ssrc",
    "apt",
    "srtp-cipher",
    "srtp-auth",
];

/// Lines of the legend, which have the same form.
const LEGEND: [&str; 4] = ["Element-States", "Pad-Activation", "Pad-Flags", "Pad-Task"];

/// One graph without what nobody outside needs.
///
/// ```
/// use vision_service::media::dot::redact;
/// let link = r#"a -> b [label="application/x-srtp\l  payload: 96\l  srtp-key: 0123...\l"]"#;
/// assert_eq!(redact(link), r#"a -> b [label="application/x-srtp\l  payload: 96\l"]"#);
/// ```
pub fn redact(graph: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in graph.split("\\l") {
        let field = part.split_once(": ").map(|(name, _)| name.trim_start());
        // The first part of a label and whatever follows the last are no fields: they span lines, or have no blank
        // before them.
        let is_field = part.starts_with(' ') && !part.contains('\n') && field.is_some();
        let is_kept = field.is_none_or(|name| FIELDS.contains(&name) || LEGEND.contains(&name));
        if !is_field || is_kept {
            kept.push(part);
        }
    }
    kept.join("\\l")
}

/// Several graphs as one: `dot` draws one graph from a file. Each is `(name, graph)`.
pub fn join(graphs: &[(String, String)]) -> String {
    if let [(_, graph)] = graphs {
        return graph.clone();
    }
    let mut joined = String::from("digraph pipelines {\n  rankdir=LR;\n");
    for (number, (name, graph)) in graphs.iter().enumerate() {
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
        let body = graph.split_once('{').map_or(graph.as_str(), |(_, body)| body);
        // a legend for each would be one node with several labels
        let body = body.replacen("  legend [", &format!("  legend{number} ["), 1);
        joined += &format!("subgraph \"cluster_peer_{number}_{name}\" {{{body}");
        joined += "\n";
    }
    joined + "}\n"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_and_attributes_of_the_other_side_are_left_out() {
        let graph = concat!(
            r#"  x [label="sink\n[>]"];"#,
            "\n",
            r#"  legend [label="Legend\lElement-States: [~] void-pending\lPad-Task: [T]\l"];"#,
            "\n",
            r#"  a -> b [label="application/x-srtp\l      payload: 96\l   srtp-key: 0123456789...\l    a-ice-pwd: secret\l"]"#,
            "\n",
            r#"  b -> c [taillabel="video/x-raw\l  width: 640\l  x: 1\l", headlabel="ANY"]"#,
            "\n}\n",
        );
        let redacted = redact(graph);
        for gone in ["srtp-key", "0123456789", "a-ice-pwd", "secret", "x: 1"] {
            assert!(!redacted.contains(gone), "{gone}: {redacted}");
        }
        for kept in ["payload: 96", "width: 640", "Element-States", "Pad-Task: [T]", r#"headlabel="ANY""#, "\n}\n"] {
            assert!(redacted.contains(kept), "{kept}: {redacted}");
        }
        assert_eq!(redacted.matches("label=\"").count(), graph.matches("label=\"").count());
    }

    #[test]
    fn two_graphs_become_one() {
        let graph = |n: u8| format!("digraph pipeline {{\n  rankdir=LR;\n  legend [\n  ];\n  n{n};\n}}\n");
        let joined = join(&[("send".into(), graph(1)), ("rec\"eive".into(), graph(2))]);
        assert_eq!(joined.matches("digraph").count(), 1);
        assert_eq!(joined.matches('{').count(), joined.matches('}').count());
        assert!(
            joined.contains("legend0 [") && joined.contains("legend1 [") && joined.contains("_receive\""),
            "{joined}"
        );
        assert_eq!(join(&[("one".into(), graph(1))]), graph(1));
    }

    proptest! {
        #[test]
        fn no_graph_keeps_a_key(before in ".{0,40}", key in "[0-9a-f]{8,20}", after in ".{0,40}") {
            let graph = format!("{before}\\l   srtp-key: {key}\\l{after}");
            let redacted = redact(&graph);
            let kept = format!("srtp-key: {key}");
            prop_assert!(!redacted.contains(&kept));
        }
    }
}
