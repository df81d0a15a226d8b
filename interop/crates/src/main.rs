//! The reference implementation's crates at the other end of a pipe, for the differential test beside this folder.
//!
//! A request on stdin is a length (u32, little-endian, as all numbers here), a code and a body; an answer on stdout is a length,
//! a status (0 done, 1 refused, 2 the crates panicked) and a body, which is text where the status is not 0. Requests are
//! answered in order. What each does stands at its function.

mod handshake;
mod message;
mod pipe;
mod random;
mod tlv;
mod value;

use std::io::{stdin, stdout, BufReader, BufWriter};

use pipe::{read_request, Answer, Outcome};

fn main() -> std::io::Result<()> {
    // A panic is an answer, and stderr is for people.
    std::panic::set_hook(Box::new(|_| {}));
    let mut input = BufReader::with_capacity(1 << 16, stdin().lock());
    let mut output = BufWriter::with_capacity(1 << 16, stdout().lock());
    let mut connection = handshake::Connection::default();
    while let Some((code, body)) = read_request(&mut input)? {
        let mut answer = Answer::new(&mut output);
        match code {
            1 => answer.give(|| message::parse(&body))?,
            2 => message::generate(&body, &mut answer)?,
            3 => answer.give(|| tlv::read(&body))?,
            4 => answer.give(|| tlv::write(&body))?,
            5 => answer.give(|| handshake::with_fixed_keys(&body))?,
            6 => answer.give(|| connection.listen(&body))?,
            7 => answer.give(|| connection.dial(&body))?,
            8 => answer.give(|| connection.finish())?,
            9 => answer.give(|| handshake::take_act2(&body))?,
            _ => answer.give(|| -> Outcome { Err(format!("no request has code {code}")) })?,
        }
        // What is waiting to be read comes first: many requests are answered in one write.
        if input.buffer().is_empty() {
            answer.flush()?;
        }
    }
    Ok(())
}
