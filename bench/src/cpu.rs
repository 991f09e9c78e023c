//! What the operating system says a process used.

use std::{fs, process, time::Duration};

use nix::{
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};

use crate::{Result, fail};

/// CPU time in µs of all threads of the processes so far, those that have ended included, user and kernel time together.
///
/// The CPU clock of a process counts in nanoseconds; `/proc/PID/stat` counts the same in ticks of 10 ms, and
/// `/proc/PID/task/*/schedstat` forgets threads that have ended.
pub fn spent_by(processes: &[Pid]) -> Result<f64> {
    let mut total = 0.0;
    for process in processes {
        let clock =
            clock_getcpuclockid(*process).map_err(|error| format!("no CPU clock for process {process}: {error}"))?;
        total += micros(clock)?;
    }
    Ok(total)
}

/// CPU time in µs of the calling thread so far.
pub fn spent_here() -> Result<f64> {
    micros(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn micros(clock: ClockId) -> Result<f64> {
    Ok(Duration::from(clock.now()?).as_secs_f64() * 1e6)
}

/// Memory that the processes hold in RAM (`VmRSS`), in MiB.
pub fn resident_mib(processes: &[Pid]) -> Result<f64> {
    let mut kib = 0;
    for process in processes {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        kib += resident_kib(&status).ok_or_else(|| fail(format!("/proc/{process}/status has no VmRSS")))?;
    }
    Ok(f64::from(kib) / 1024.0)
}

fn resident_kib(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// The id of a child in the form that the functions above take.
pub fn pid_of(child: &process::Child) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(child.id())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_spends_at_least_what_one_of_its_threads_spends() -> Result<()> {
        let this = [Pid::this()];
        let (process_before, thread_before) = (spent_by(&this)?, spent_here()?);
        while spent_here()? - thread_before < 5_000.0 {}
        let thread = spent_here()? - thread_before;
        assert!(spent_by(&this)? - process_before >= thread);
        Ok(())
    }

    #[test]
    fn resident_memory_is_read_from_the_status_file() -> Result<()> {
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t   1234 kB\nRssAnon:\t 1 kB\n"), Some(1234));
        assert_eq!(resident_kib("Name:\tx\n"), None);
        assert!(resident_mib(&[Pid::this()])? > 0.1);
        Ok(())
    }
}
