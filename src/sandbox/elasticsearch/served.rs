//! The stand-in on a port of this machine's loopback, for clients that open sockets: one request a connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Elasticsearch, Ending};
use crate::sandbox::http::Call;

/// More than any request to it.
const MOST: u64 = 8 << 20;

/// A cluster that listens; ends when dropped.
pub struct Served {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Elasticsearch {
    /// Listens on a port that is free.
    pub fn serve(&self) -> io::Result<Served> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let (cluster, over) = (self.clone(), Arc::clone(&ended));
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away is its own affair.
                let _ = stream.and_then(|stream| cluster.talk(stream));
            }
        });
        Ok(Served { address, ended, listening: Some(listening) })
    }

    fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let Some((request, body)) = read(&stream)? else { return Ok(()) };
        let ending = self.answer(&request, &body);
        let Ending::Answered(status, answer) = ending else { return Ok(()) };
        let body = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        stream.flush()
    }
}

/// One request; `None` where what came is none.
fn read(stream: &TcpStream) -> io::Result<Option<(Call, Vec<u8>)>> {
    let mut reader = BufReader::new(stream.take(MOST));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let Ok(mut request) =
        aws_smithy_runtime_api::client::orchestrator::HttpRequest::get(format!("http://127.0.0.1{path}"))
    else {
        return Ok(None);
    };
    if request.set_method(method).is_err() {
        return Ok(None);
    }
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_lowercase(), value.trim().to_owned());
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        let _ = request.headers_mut().try_insert(name, value);
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    Ok(Some((Call::read(&request), body)))
}

impl Served {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes whoever waits for the next client.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}
