//! A stretch of a file as the body of a request: read while it is sent, and read again for a retry.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

/// How much is read at a time.
const CHUNK: u64 = 256 << 10;

/// The bytes of `file` from `offset` on. The file is held open, so that renaming it meanwhile changes nothing.
pub fn body(file: Arc<File>, offset: u64, length: u64) -> ByteStream {
    ByteStream::new(SdkBody::retryable(move || {
        SdkBody::from_body_1_x(Slice { file: file.clone(), offset, left: length, reading: None })
    }))
}

struct Slice {
    file: Arc<File>,
    offset: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Body for Slice {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let reading = this.reading.get_or_insert_with(|| {
            let (file, offset, length) = (this.file.clone(), this.offset, this.left.min(CHUNK));
            tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(Bytes::from(bytes))
            })
        });
        let read = ready!(Pin::new(reading).poll(context));
        this.reading = None;
        let bytes = read.map_err(io::Error::other)??;
        this.offset += bytes.len() as u64;
        this.left -= bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
