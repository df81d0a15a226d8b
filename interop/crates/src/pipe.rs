//! Requests and answers over the pipe.

use std::io::{ErrorKind, Read, Result, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// What a request comes to: the answer's body, or why it was refused.
pub type Outcome = std::result::Result<Vec<u8>, String>;

/// The code and body of the next request; nothing at the end of the pipe.
pub fn read_request(input: &mut impl Read) -> Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match input.read_exact(&mut head) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some((head[4], body)))
}

pub struct Answer<'a, W: Write> {
    output: &'a mut W,
}

impl<'a, W: Write> Answer<'a, W> {
    pub fn new(output: &'a mut W) -> Self {
        Self { output }
    }

    /// Answers with what the work comes to, also when it panics.
    pub fn give(&mut self, work: impl FnOnce() -> Outcome) -> Result<()> {
        let (status, body) = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(body)) => (0, body),
            Ok(Err(why)) => (1, why.into_bytes()),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                (2, text.unwrap_or_default().into_bytes())
            }
        };
        self.output.write_all(&(body.len() as u32).to_le_bytes())?;
        self.output.write_all(&[status])?;
        self.output.write_all(&body)
    }

    pub fn flush(&mut self) -> Result<()> {
        self.output.flush()
    }
}

/// Takes parts of a body, one behind the other.
pub struct Parts<'a>(pub &'a [u8]);

impl<'a> Parts<'a> {
    pub fn bytes(&mut self, length: usize) -> std::result::Result<&'a [u8], String> {
        if self.0.len() < length {
            return Err(format!("the request lacks {} bytes", length - self.0.len()));
        }
        let (part, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(part)
    }

    pub fn array<const N: usize>(&mut self) -> std::result::Result<[u8; N], String> {
        Ok(self.bytes(N)?.try_into().expect("as many as were asked for"))
    }

    pub fn u32(&mut self) -> std::result::Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }
}
