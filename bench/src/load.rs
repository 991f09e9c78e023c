//! Drives a server and reads what it cost.

use std::{pin::pin, sync::Arc, time::Duration};

use nix::unistd::Pid;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Result, cpu, fail,
    http::{Address, Connection, Response},
};

/// Connections to one server that are used at the same time.
pub const CONNECTIONS: usize = 16;

/// The longest time that one sample may take.
const LONGEST: Duration = Duration::from_mins(3);

/// Kept-alive connections to one server.
#[derive(Debug)]
pub struct Load {
    processes: Vec<Pid>,
    connections: Vec<Connection>,
}

impl Load {
    /// Opens the connections and sends one request on each, so that none is new to the server when it counts.
    pub async fn open(address: &Address, processes: &[Pid], first: &[u8]) -> Result<Self> {
        Self::open_all(std::slice::from_ref(address), processes, first).await
    }

    /// As many to each of several servers: who adds a node has more to do, and not less for each of them.
    pub async fn open_all(addresses: &[Address], processes: &[Pid], first: &[u8]) -> Result<Self> {
        let mut connections = Vec::new();
        for address in addresses.iter().flat_map(|address| std::iter::repeat_n(address, CONNECTIONS)) {
            let mut connection = Connection::open(address).await?;
            connection.exchange(first).await?;
            connections.push(connection);
        }
        Ok(Self { processes: processes.to_vec(), connections })
    }

    /// Sends `total` requests, taking `requests` in turn and from the start again; every answer must be `right`.
    /// The servers' CPU time per request, in µs.
    pub async fn drive(
        &mut self,
        requests: impl Into<Arc<[Vec<u8>]>>,
        total: usize,
        right: fn(&Response) -> bool,
    ) -> Result<f64> {
        let requests = requests.into();
        let count = self.connections.len();
        let lanes = self.connections.drain(..).enumerate().map(|(lane, mut connection)| {
            let requests = Arc::clone(&requests);
            async move {
                for request in requests.iter().cycle().take(total).skip(lane).step_by(count) {
                    let response = connection.exchange(request).await?;
                    if !right(&response) {
                        return Err(response.unexpected());
                    }
                }
                Ok(connection)
            }
        });
        let (per_request, connections) = sample(&self.processes, lanes, total).await?;
        self.connections = connections;
        Ok(per_request)
    }

    /// Lets every connection work on a state of its own; `step` is one request. Each lane takes `steps` of them.
    /// The servers' CPU time per request, in µs, and the states afterwards.
    pub async fn drive_states<S, F>(
        &mut self,
        states: Vec<S>,
        steps: usize,
        step: impl Fn(Connection, S) -> F + Clone + Send + 'static,
    ) -> Result<(f64, Vec<S>)>
    where
        S: Send + 'static,
        F: Future<Output = Result<(Connection, S)>> + Send,
    {
        if states.len() != self.connections.len() {
            return Err(fail("every connection needs a state of its own"));
        }
        let total = states.len() * steps;
        let lanes = self.connections.drain(..).zip(states).map(|(mut connection, mut state)| {
            let step = step.clone();
            async move {
                for _ in 0..steps {
                    (connection, state) = step(connection, state).await?;
                }
                Ok((connection, state))
            }
        });
        let (per_request, lanes) = sample(&self.processes, lanes, total).await?;
        let (connections, states) = lanes.into_iter().unzip();
        self.connections = connections;
        Ok((per_request, states))
    }
}

/// Runs the lanes side by side to their end.
async fn sample<T, F>(processes: &[Pid], lanes: impl Iterator<Item = F>, requests: usize) -> Result<(f64, Vec<T>)>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let before = cpu::spent_by(processes)?;
    for lane in lanes {
        running.spawn(lane);
    }
    let all = pin!(async {
        let mut ended = Vec::new();
        while let Some(lane) = running.join_next().await {
            ended.push(lane??);
        }
        Result::Ok(ended)
    });
    let ended = timeout(LONGEST, all).await.map_err(|_| fail("the server is too slow to be measured"))??;
    let spent = cpu::spent_by(processes)? - before;
    #[allow(clippy::cast_precision_loss)] // requests are counted in thousands
    Ok((spent / requests as f64, ended))
}
