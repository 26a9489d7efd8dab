//! A mail server as far as it matters here (RFC 5321, RFC 4954): it takes letters, or is in one of the moods that servers
//! have. Its thread ends when it is dropped.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// Knows nobody of this address.
    Refuses(&'static str),
    /// Is full: a failure that passes.
    Busy,
    /// Takes letters of those alone who have this password, and says back what it was told.
    WantsPassword(&'static str),
    /// Hangs up when it has heard the letter, without a word.
    Closes,
    /// Never says anything.
    Silent,
}

/// A letter that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
}

impl Letter {
    pub fn subject(&self) -> String {
        subject(&self.text).expect("a subject")
    }
}

/// The subject of a letter, which may go on in lines that begin with a space (RFC 5322, 2.2.3).
pub fn subject(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Subject: "));
    let first = lines.next()?.strip_prefix("Subject: ")?.trim_end();
    let rest = lines.take_while(|line| line.starts_with(' ')).map(str::trim);
    Some(std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" "))
}

pub struct Smtp {
    pub port: u16,
    mood: Arc<Mutex<Mood>>,
    letters: Arc<Mutex<Vec<Letter>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Smtp {
    pub fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let mood = Arc::new(Mutex::new(mood));
        let letters = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let serve = {
            let (mood, letters, ends) = (mood.clone(), letters.clone(), ends.clone());
            move || {
                while !ends.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            let mood = *mood.lock().expect("mood");
                            // Who goes away in the middle is a part of the play.
                            if let Ok(Some(letter)) = talk(&stream, mood, &ends) {
                                letters.lock().expect("letters").push(letter);
                                let _ = (&stream).write_all(b"250 taken\r\n");
                                let mut line = String::new();
                                let _ = BufReader::new(&stream).read_line(&mut line);
                                let _ = (&stream).write_all(b"221 bye\r\n");
                            }
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            }
        };
        Smtp { port, mood, letters, ends, thread: Some(std::thread::spawn(serve)) }
    }

    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().expect("mood") = mood;
    }

    /// What was taken since the last time.
    pub fn letters(&self) -> Vec<Letter> {
        std::mem::take(&mut self.letters.lock().expect("letters"))
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One session up to the end of the letter.
fn talk(mut stream: &TcpStream, mood: Mood, ends: &AtomicBool) -> std::io::Result<Option<Letter>> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    if mood == Mood::Silent {
        while !ends.load(Ordering::Relaxed) && stream.peek(&mut [0]).map_or(true, |read| read > 0) {
            std::thread::sleep(Duration::from_millis(5));
        }
        return Ok(None);
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut hear = || -> std::io::Result<Option<String>> {
        let mut line = String::new();
        Ok((reader.read_line(&mut line)? > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    };
    let mut letter = Letter { from: String::new(), to: Vec::new(), text: String::new() };
    let mut is_known = !matches!(mood, Mood::WantsPassword(_));
    stream.write_all(b"220 test\r\n")?;
    while let Some(line) = hear()? {
        let word = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let address = || {
            let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
            inside.map_or_else(String::new, |(address, _)| address.to_owned())
        };
        match (word.as_str(), mood) {
            ("EHLO", Mood::WantsPassword(_)) => stream.write_all(b"250-test\r\n250 AUTH PLAIN\r\n")?,
            ("EHLO", _) => stream.write_all(b"250 test\r\n")?,
            ("AUTH", Mood::WantsPassword(password)) => {
                let told = line.split_whitespace().nth(2).unwrap_or_default();
                let plain = BASE64_STANDARD.decode(told).unwrap_or_default();
                is_known = plain.ends_with(format!("\0{password}").as_bytes());
                match is_known {
                    true => stream.write_all(b"235 welcome\r\n")?,
                    false => stream.write_all(format!("535 {told} is wrong\r\n").as_bytes())?,
                }
            }
            ("MAIL", _) if !is_known => stream.write_all(b"530 who are you\r\n")?,
            ("MAIL", Mood::Busy) => stream.write_all(b"452 no room\r\n")?,
            ("MAIL", _) => {
                letter.from = address();
                stream.write_all(b"250 ok\r\n")?;
            }
            ("RCPT", Mood::Refuses(nobody)) if address() == nobody => {
                stream.write_all(b"550 no such user\r\n")?;
            }
            ("RCPT", _) => {
                letter.to.push(address());
                stream.write_all(b"250 ok\r\n")?;
            }
            ("DATA", _) => {
                stream.write_all(b"354 go on\r\n")?;
                while let Some(line) = hear()?.filter(|line| line != ".") {
                    letter.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    letter.text.push('\n');
                }
                return Ok((mood != Mood::Closes).then_some(letter));
            }
            ("QUIT", _) => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(None);
            }
            _ => stream.write_all(b"250 ok\r\n")?,
        }
    }
    Ok(None)
}
