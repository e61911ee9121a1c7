use super::*;

/// The skeleton of what Chromium offers for one camera.
fn offer() -> String {
    let fingerprint = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 39 40 127\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=candidate:1 1 udp 2113937151 abc.local 5000 typ host generation 0\r\n\
         a=ice-ufrag:Oyef\r\na=ice-pwd:7uhN2UTjOsBiSLXWIj/5Ctw6\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:0\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:toffset\r\na=extmap:3 urn:3gpp:video-orientation\r\n\
         a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=sendrecv\r\na=msid:stream track\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n\
         a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
         a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
         a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
         a=rtpmap:39 H264/90000\r\na=fmtp:39 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtpmap:40 rtx/90000\r\na=fmtp:40 apt=39\r\n\
         a=rtpmap:127 H264/90000\r\na=fmtp:127 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f\r\n\
         a=ssrc-group:FID 111 222\r\na=ssrc:111 cname:x\r\na=ssrc:222 cname:x\r\n"
    )
}

#[test]
fn a_browsers_offer_is_reduced_to_one_codec() {
    let offer = Offer::parse(&offer()).unwrap();
    let chosen = offer.choose(&Codec::ALL).unwrap();
    assert_eq!(chosen, Chosen { codec: Codec::Vp8, payload: 96, rtx_payload: Some(97) });
    assert_eq!(offer.candidates, ["candidate:1 1 udp 2113937151 abc.local 5000 typ host generation 0"]);
    let fingerprint = ["AB"; 32].join(":");
    assert_eq!(
        offer.for_webrtcbin(&chosen),
        format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:96 VP8/90000\r\n\
             a=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
             a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=extmap:3 urn:3gpp:video-orientation\r\n\
             a=extmap:4 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
             a=setup:actpass\r\na=mid:0\r\na=sendrecv\r\na=ice-ufrag:Oyef\r\na=ice-pwd:7uhN2UTjOsBiSLXWIj/5Ctw6\r\n\
             a=ice-options:trickle\r\na=fingerprint:sha-256 {fingerprint}\r\na=ssrc-group:FID 111 222\r\n\
             a=ssrc:111 cname:subject\r\na=ssrc:222 cname:subject\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
        )
    );
}

#[test]
fn of_h264_only_constrained_baseline_in_packetization_mode_1_is_taken() {
    let offer = Offer::parse(&offer()).unwrap();
    let chosen = offer.choose(&[Codec::H264, Codec::Vp8]).unwrap();
    assert_eq!(chosen, Chosen { codec: Codec::H264, payload: 39, rtx_payload: Some(40) });
    let text = offer.for_webrtcbin(&chosen);
    let line = "a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n";
    assert!(text.contains(line));
    let answer = "v=0\r\na=fmtp:39 packetization-mode=1\r\na=fmtp:40 apt=39\r\n";
    assert_eq!(offer.complete_answer(&chosen, answer), format!("v=0\r\n{line}a=fmtp:40 apt=39\r\n"));
    for (id, expected) in
        [("42e01f", true), ("42c01f", true), ("42001f", false), ("64001f", false), ("42e0", false), ("", false)]
    {
        assert_eq!(is_constrained_baseline(id), expected, "{id}");
    }
}

#[test]
fn other_sections_are_refused_in_their_place() {
    let text = offer()
        + "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n\
           m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
    let offer = Offer::parse(&text).unwrap();
    assert_eq!(
        offer.complete_answer(&offer.choose(&Codec::ALL).unwrap(), "a=fmtp:96 x\r\n"),
        "a=fmtp:96 x\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\n\
         m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:2\r\n"
    );
}

#[test]
fn what_cannot_be_answered_says_why() {
    let good = offer();
    let replaced = |from: &str, to: &str| Offer::parse(&good.replace(from, to)).map(|_| ());
    assert_eq!(Offer::parse("hello").unwrap_err(), SdpError::NotSdp);
    assert_eq!(Offer::parse(&"v".repeat(70_000)).unwrap_err(), SdpError::TooLong(70_000));
    assert_eq!(Offer::parse("v=0\r\n").unwrap_err(), SdpError::NoVideo("nothing".into()));
    assert_eq!(replaced("m=video", "m=audio"), Err(SdpError::NoVideo("audio".into())));
    assert_eq!(
        Offer::parse("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n").unwrap_err(),
        SdpError::NoVideo("application".into())
    );
    assert_eq!(replaced("m=video", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video"), Err(SdpError::VideoNotFirst));
    assert_eq!(replaced("m=video 9", "m=video 0"), Err(SdpError::NoVideo("video with port 0".into())));
    assert_eq!(replaced("a=mid:0\r\n", ""), Err(SdpError::Missing("mid")));
    assert_eq!(replaced("a=mid:0", "a=mid:0 0"), Err(SdpError::Malformed("mid")));
    assert_eq!(replaced("a=ice-ufrag:Oyef\r\n", ""), Err(SdpError::Missing("ice-ufrag")));
    assert_eq!(replaced("a=ice-pwd:7uh", "a=ice-pwd:\u{7}"), Err(SdpError::Malformed("ice-pwd")));
    assert_eq!(replaced("a=setup:actpass", "a=setup:both"), Err(SdpError::Malformed("setup")));
    assert_eq!(replaced("a=sendrecv", "a=recvonly"), Err(SdpError::NotSendRecv));
    assert_eq!(replaced("a=sendrecv", "a=sendonly"), Err(SdpError::NotSendRecv));
    assert_eq!(replaced("a=rtcp-mux\r\n", ""), Err(SdpError::Missing("rtcp-mux")));
    assert_eq!(replaced("SAVPF", "AVP").unwrap_err(), SdpError::Missing("DTLS-SRTP (UDP/TLS/RTP/SAVPF)"));
    for weak in ["sha-1", "md5", "sha-256x"] {
        assert_eq!(
            replaced("sha-256 AB", &format!("{weak} AB")),
            Err(SdpError::Missing("fingerprint of SHA-256 or better"))
        );
    }
    let none = Offer::parse(&good.replace("VP8", "AV1").replace("packetization-mode=1", "packetization-mode=0"));
    assert_eq!(none.unwrap().choose(&Codec::ALL), Err(SdpError::NoCommonCodec("VP8, H264".into())));
    let many = good.replace("a=sendrecv", &"a=candidate:1 1 udp 1 1.1.1.1 1 typ host\r\n".repeat(80));
    assert_eq!(Offer::parse(&many).unwrap_err(), SdpError::TooMany("candidates"));
    let many = good.clone() + &"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(16);
    assert_eq!(Offer::parse(&many).unwrap_err(), SdpError::TooMany("sections"));
}

#[test]
fn nothing_of_an_offer_gets_through_that_is_not_understood() {
    // every line cut short, doubled, or with a foreign character: an error or a clean description, never a panic
    let good = offer();
    let lines: Vec<&str> = good.lines().collect();
    for (n, line) in lines.iter().enumerate() {
        for change in [
            String::new(),
            line.chars().take(line.len() / 2).collect(),
            format!("{line}\r\n{line}"),
            format!("{line} \u{1f980}"),
            format!("{line};x=\"evil\""),
            line.replace(' ', ""),
            line.replace(|c: char| c.is_ascii_digit(), "99999999999999999999"),
        ] {
            let mut text = lines.clone();
            text[n] = &change;
            let Ok(offer) = Offer::parse(&text.join("\r\n")) else { continue };
            let Ok(chosen) = offer.choose(&Codec::ALL) else { continue };
            let clean = offer.for_webrtcbin(&chosen);
            assert!(clean.is_ascii() && !clean.contains("evil"), "{change:?} gave {clean}");
            assert!(clean.len() < 2000);
        }
    }
}
