//! What the work itself costs on this machine at this moment, without anything around it.
//!
//! The comparison runs on as many threads as there are processors, because a loaded server does too: where processors
//! share an execution unit, a cache or a frequency, both sides then pay for it.

use std::{
    hint::black_box,
    num::NonZero,
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Params, Version};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::{Signer, Verifier},
};

use crate::{Result, cpu, fail};

/// Bytes that are signed: about the length of an access token's header and claims.
const MESSAGE: [u8; 600] = [b'x'; 600];

/// The operations that figures are compared with.
#[derive(Debug)]
pub struct Baseline {
    key: PKey<Private>,
    /// How long one sample takes, on each thread.
    pub sample: Duration,
}

impl Baseline {
    pub fn new(sample: Duration) -> Result<Self> {
        Ok(Self { key: PKey::from_rsa(Rsa::generate(2048)?)?, sample })
    }

    /// CPU time of one RS256 signature with a key of 2048 bits, in µs.
    pub fn signature(&self) -> Result<f64> {
        self.on_all_processors(|| {
            let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
            black_box(signer.sign_oneshot_to_vec(&MESSAGE)?);
            Ok(())
        })
    }

    /// CPU time of one verification of such a signature, in µs, on this thread alone, as is what is compared with it.
    pub fn verification(&self) -> Result<f64> {
        let signature = Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(&MESSAGE)?;
        let public = PKey::public_key_from_der(&self.key.public_key_to_der()?)?;
        repeated(self.sample, || {
            let mut verifier = Verifier::new(MessageDigest::sha256(), &public)?;
            if verifier.verify_oneshot(&signature, &MESSAGE)? {
                Ok(())
            } else {
                Err(fail("OpenSSL refuses its own signature"))
            }
        })
    }

    /// CPU time of one Argon2id hash with the provider's default parameters (19 MiB, two passes, one lane), in µs.
    pub fn password_hash(&self) -> Result<f64> {
        let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| fail(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        self.on_all_processors(|| {
            let mut hash = [0; 32];
            argon2
                .hash_password_into(b"the password of the bench", b"sixteen bytes...", &mut hash)
                .map_err(|error| fail(error.to_string()))?;
            black_box(hash);
            Ok(())
        })
    }

    /// The mean over the processors.
    fn on_all_processors(&self, operation: impl Fn() -> Result<()> + Sync) -> Result<f64> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let samples = thread::scope(|scope| {
            let threads: Vec<_> = (0..processors).map(|_| scope.spawn(|| repeated(self.sample, &operation))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(fail("a thread of the baseline panicked"))))
                .collect::<Result<Vec<f64>>>()
        })?;
        #[allow(clippy::cast_precision_loss)] // processors are few
        Ok(samples.iter().sum::<f64>() / samples.len() as f64)
    }
}

/// CPU time of one `operation` in µs: the mean of as many as fit into `length` on this thread.
fn repeated(length: Duration, mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    operation()?; // what is done once is not what is measured
    let mut sample = Sample::begin(length)?;
    while sample.goes_on() {
        operation()?;
    }
    sample.per_operation()
}

/// Operations of this thread, counted for a while.
#[derive(Debug)]
pub struct Sample {
    begin: Instant,
    length: Duration,
    spent_before: f64,
    operations: u32,
}

impl Sample {
    pub fn begin(length: Duration) -> Result<Self> {
        Ok(Self { spent_before: cpu::spent_here()?, begin: Instant::now(), length, operations: 0 })
    }

    /// Whether there is time for one more operation, which then counts.
    pub fn goes_on(&mut self) -> bool {
        // The clock is read now and then only: some operations take hardly longer than reading it a few times.
        let goes_on = !self.operations.is_multiple_of(4) || self.begin.elapsed() < self.length;
        self.operations += u32::from(goes_on);
        goes_on
    }

    /// CPU time of one operation, in µs.
    pub fn per_operation(self) -> Result<f64> {
        Ok((cpu::spent_here()? - self.spent_before) / f64::from(self.operations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_costs_more_than_its_verification() -> Result<()> {
        let baseline = Baseline::new(Duration::from_millis(20))?;
        assert!(baseline.signature()? > baseline.verification()?);
        Ok(())
    }
}
