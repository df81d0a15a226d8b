//! Random values from a seed: splitmix64, which is enough to draw test data with and the same everywhere.

pub struct Source {
    state: u64,
    /// How many bytes the message may still take; a frame holds less than some types allow.
    room: usize,
    /// Lengths are as long as they may be.
    extreme: bool,
}

/// A frame's payload, less what the fields of fixed size can take.
const ROOM: usize = 0xff_ffff - 1024;

impl Source {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, room: ROOM, extreme: false }
    }

    /// Begins another message.
    pub fn begin(&mut self, extreme: bool) {
        self.room = ROOM;
        self.extreme = extreme;
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// One in so many.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A number of so many bits; the edges come often.
    pub fn number(&mut self, bits: u32) -> u64 {
        let most = u64::MAX >> (64 - bits);
        match self.below(8) {
            0 => 0,
            1 => most,
            2 => self.next() & 0xff & most,
            _ => self.next() & most,
        }
    }

    /// A length or count up to `most`, of things that take up to `size` bytes each: mostly few.
    pub fn length(&mut self, most: usize, size: usize) -> usize {
        let most = most.min(self.room / size.max(1));
        let length = if self.extreme {
            most
        } else {
            let most = most.min(if self.one_in(50) { 2000 } else { 24 });
            self.below(most + 1)
        };
        self.room -= length * size;
        length
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
