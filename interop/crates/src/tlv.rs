//! The field that extension 0x0002 puts behind SubmitSharesExtended: read and written by the crates.

use std::fmt::Write;

use extensions_sv2::UserIdentity;
use parsers_sv2::{parse_message_frame_with_tlvs, TlvField, TlvList};

use crate::message::{frame_of, read_frame};
use crate::pipe::{Outcome, Parts};

/// Request 3: A plain frame, of ends that have negotiated extension 0x0002: each TLV's extension, type and value, and what
/// the crates take for the worker's identity.
pub fn read(body: &[u8]) -> Outcome {
    let mut frame = read_frame(body)?;
    let header = frame.header();
    let (_, tlvs) =
        parse_message_frame_with_tlvs(header, frame.payload(), &[2]).map_err(|error| format!("{error:?}"))?;
    let mut text = String::new();
    for tlv in tlvs.unwrap_or_default() {
        let identity = UserIdentity::from_tlv(&tlv).map_err(|error| format!("{error:?}"))?;
        let (extension, field) = (tlv.r#type.extension_type, tlv.r#type.field_type);
        write!(text, "{extension} {field} ").expect("a String takes all");
        for byte in identity.as_bytes() {
            write!(text, "{byte:02x}").expect("a String takes all");
        }
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// Request 4: The length (u32) and bytes of an identity, and a frame of SubmitSharesExtended: the frame with that identity.
pub fn write(body: &[u8]) -> Outcome {
    let mut parts = Parts(body);
    let length = parts.u32()? as usize;
    let identity = UserIdentity::from_bytes(parts.bytes(length)?)?;
    let message = crate::message::typed(&mut read_frame(parts.0)?)?;
    frame_of(message.clone())?;
    let tlv = identity.to_tlv().map_err(|error| format!("{error:?}"))?;
    let list = TlvList::from_slice(&[tlv]).map_err(|error| format!("{error:?}"))?;
    list.build_frame_bytes_with_tlvs(message).map_err(|error| format!("{error:?}"))
}
