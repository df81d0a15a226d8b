//! Handshakes of the crates, in both roles: with fixed keys in memory, and with keys of their own over a socket, where what comes
//! after the handshake is sent back.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{spawn, JoinHandle};
use std::time::Duration;

use codec_sv2::{
    Decoded, Decrypted, ExpectsHandshakeMessage, Handshake, InitiatorSent, NoiseDecoder, NoiseEncoder, SerializedFrame,
    Transport, TransportDecryptState,
};
use noise_sv2::{Initiator, Responder, ELLSWIFT_ENCODING_SIZE, INITIATOR_EXPECTED_HANDSHAKE_MESSAGE_SIZE};
use rand::{CryptoRng, Error, RngCore};

use crate::message::{frame_of, read_frame, typed};
use crate::pipe::{Outcome, Parts};

fn text<E: std::fmt::Debug>(error: E) -> String {
    format!("{error:?}")
}

/// Instead of random numbers, what it was given, in order. When it is used up it gives zeros.
struct Script<'a>(&'a [u8]);

impl RngCore for Script<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        let (given, rest) = self.0.split_at(out.len().min(self.0.len()));
        out[..given.len()].copy_from_slice(given);
        out[given.len()..].fill(0);
        self.0 = rest;
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Script<'_> {}

/// Request 5: Secrets of 32 bytes each: the initiator's ephemeral one, the responder's ephemeral and static ones, the authority's, and the
/// authority's public key; when the certificate begins and how long it holds (u32 seconds); then plain frames, each behind who
/// sends it (0 the initiator) and its length (u32). What goes over the wire: act 1, act 2, and each encrypted
/// frame behind its length. The other side decrypts each of them; what differs is refused.
pub fn with_fixed_keys(body: &[u8]) -> Outcome {
    let mut parts = Parts(body);
    let initiator_secret: [u8; 32] = parts.array()?;
    let responder_secrets: [u8; 64] = parts.array()?;
    let authority_secret: [u8; 32] = parts.array()?;
    let authority_key: [u8; 32] = parts.array()?;
    let valid_from = parts.u32()?;
    let validity = Duration::from_secs(parts.u32()?.into());

    let initiator = Initiator::from_raw_k_with_rng(authority_key, &mut Script(&initiator_secret)).map_err(text)?;
    let mut secrets = Script(&responder_secrets);
    let responder = Responder::from_authority_kp_with_rng(&authority_key, &authority_secret, validity, &mut secrets)
        .map_err(text)?;
    let (act1, initiator) = Handshake::initiator(initiator).step_0().map_err(text)?;
    let act1: [u8; ELLSWIFT_ENCODING_SIZE] = act1.payload().try_into().map_err(text)?;
    let (act2, responder) =
        Handshake::responder(responder).step_1_with_now_rng(act1, valid_from, &mut Script(&[])).map_err(text)?;
    let act2: [u8; INITIATOR_EXPECTED_HANDSHAKE_MESSAGE_SIZE] = act2.payload().try_into().map_err(text)?;
    let initiator = initiator.step_2_with_now(act2, valid_from).map_err(text)?;

    let mut out = [&act1[..], &act2[..]].concat();
    let (mut from_initiator, at_initiator) = initiator.split();
    let (mut from_responder, at_responder) = responder.split();
    let mut receivers = [Some(at_responder), Some(at_initiator)];
    let mut encoder = NoiseEncoder::new();
    let mut decoders = [NoiseDecoder::new(), NoiseDecoder::new()];
    while !parts.0.is_empty() {
        let sender = usize::from(parts.array::<1>()?[0] != 0);
        let length = parts.u32()? as usize;
        let plain = parts.bytes(length)?;
        let state = if sender == 0 { &mut from_initiator } else { &mut from_responder };
        let wire = encoder.encode_transport(read_frame(plain)?, state).map_err(text)?;
        let state = receivers[sender].take().ok_or("a frame was refused before")?;
        let (frame, state) = next_frame(&mut decoders[sender], state, &mut &wire[..])?.ok_or("not a whole frame")?;
        if frame.as_bytes() != plain {
            return Err("the frame is another one when it is decrypted".into());
        }
        receivers[sender] = Some(state);
        out.extend_from_slice(&(wire.len() as u32).to_le_bytes());
        out.extend_from_slice(&wire);
    }
    Ok(out)
}

/// Request 9: The initiator's ephemeral secret (32 bytes), the authority's public key that it expects, its clock (u32 seconds), and an act 2:
/// nothing if it goes on, and why not if it does not.
pub fn take_act2(body: &[u8]) -> Outcome {
    let mut parts = Parts(body);
    let secret: [u8; 32] = parts.array()?;
    let initiator = Initiator::from_raw_k_with_rng(parts.array()?, &mut Script(&secret)).map_err(text)?;
    let now = parts.u32()?;
    let (_, initiator) = Handshake::initiator(initiator).step_0().map_err(text)?;
    initiator.step_2_with_now(parts.0.try_into().map_err(text)?, now).map_err(text)?;
    Ok(Vec::new())
}

/// The next frame of a stream; nothing where it ends between two.
fn next_frame(
    decoder: &mut NoiseDecoder,
    mut state: TransportDecryptState,
    stream: &mut impl Read,
) -> Result<Option<(SerializedFrame, TransportDecryptState)>, String> {
    let mut begun = false;
    loop {
        match decoder.next_transport_frame(state).map_err(text)? {
            Decrypted::Frame(frame, state) => return Ok(Some((frame, state))),
            Decrypted::Incomplete(_, same) => state = same,
        }
        match stream.read_exact(decoder.writable()) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !begun => return Ok(None),
            other => other.map_err(text)?,
        }
        begun = true;
    }
}

fn read_handshake_message<R: ExpectsHandshakeMessage, const N: usize>(
    decoder: &mut NoiseDecoder,
    stream: &mut impl Read,
) -> Result<[u8; N], String> {
    loop {
        match decoder.next_handshake_frame::<R>().map_err(text)? {
            Decoded::Frame(message) => return message.payload().try_into().map_err(text),
            Decoded::Incomplete(_) => stream.read_exact(decoder.writable()).map_err(text)?,
        }
    }
}

/// Sends back every frame until the stream ends, and says how many there were. Messages of the core protocols and of
/// extension 0x0001 become typed ones on the way, and frames anew; all others go back as they came.
fn echo(mut stream: TcpStream, mut decoder: NoiseDecoder, transport: Transport) -> Result<u32, String> {
    let (mut encrypt, mut decrypt) = transport.split();
    let mut encoder = NoiseEncoder::new();
    let mut count = 0;
    while let Some((mut frame, state)) = next_frame(&mut decoder, decrypt, &mut stream)? {
        decrypt = state;
        let is_known = frame.header().ext_type_without_channel_msg() <= 1;
        let wire = if is_known {
            encoder.encode_transport(frame_of(typed(&mut frame)?)?, &mut encrypt)
        } else {
            encoder.encode_transport(frame, &mut encrypt)
        };
        stream.write_all(&wire.map_err(text)?).map_err(text)?;
        count += 1;
    }
    Ok(count)
}

/// One connection at a time, served by a thread.
#[derive(Default)]
pub struct Connection(Option<JoinHandle<Result<u32, String>>>);

/// For those who wait for nothing in vain.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(30));

impl Connection {
    /// Request 6: The authority's secret and its public key: listens on a port of this machine, the answer (u16), for one
    /// connection, to which it is the responder.
    pub fn listen(&mut self, body: &[u8]) -> Outcome {
        let mut parts = Parts(body);
        let (secret, key) = (parts.array()?, parts.array()?);
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(text)?;
        let port = listener.local_addr().map_err(text)?.port();
        self.0 = Some(spawn(move || {
            let (mut stream, _) = listener.accept().map_err(text)?;
            stream.set_read_timeout(PATIENCE).map_err(text)?;
            stream.set_nodelay(true).map_err(text)?;
            let responder = Responder::from_authority_kp(&key, &secret, Duration::from_secs(60)).map_err(text)?;
            let mut decoder = NoiseDecoder::new();
            let act1 = read_handshake_message::<Responder, ELLSWIFT_ENCODING_SIZE>(&mut decoder, &mut stream)?;
            let (act2, transport) = Handshake::responder(responder).step_1(act1).map_err(text)?;
            stream.write_all(&NoiseEncoder::new().encode_handshake(act2)).map_err(text)?;
            echo(stream, decoder, transport)
        }));
        Ok(port.to_le_bytes().to_vec())
    }

    /// Request 7: A port of this machine (u16) and the authority's public key expected there: dials it as the initiator.
    pub fn dial(&mut self, body: &[u8]) -> Outcome {
        let mut parts = Parts(body);
        let port = u16::from_le_bytes(parts.array()?);
        let key = parts.array()?;
        self.0 = Some(spawn(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(text)?;
            stream.set_read_timeout(PATIENCE).map_err(text)?;
            stream.set_nodelay(true).map_err(text)?;
            let initiator = Initiator::from_raw_k(key).map_err(text)?;
            let (act1, initiator) = Handshake::initiator(initiator).step_0().map_err(text)?;
            stream.write_all(&NoiseEncoder::new().encode_handshake(act1)).map_err(text)?;
            let mut decoder = NoiseDecoder::new();
            let act2 = read_handshake_message::<InitiatorSent, INITIATOR_EXPECTED_HANDSHAKE_MESSAGE_SIZE>(
                &mut decoder,
                &mut stream,
            )?;
            echo(stream, decoder, initiator.step_2(act2).map_err(text)?)
        }));
        Ok(Vec::new())
    }

    /// Request 8: Waits for the connection's end: how many frames it sent back (u32).
    pub fn finish(&mut self) -> Outcome {
        let thread = self.0.take().ok_or("there is no connection")?;
        let count = thread.join().map_err(|_| "the crates panicked")??;
        Ok(count.to_le_bytes().to_vec())
    }
}
