//! What is asked of S3, the right that it needs, and the word for it.

/// What was asked of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Names of objects.
    List,
    /// An object's bytes.
    Get,
    /// A new object, or a part of one.
    Put,
    /// A copy inside the bucket.
    Copy,
    /// Objects are removed.
    Delete,
    /// An upload is given up.
    Abort,
    /// Names of unfinished uploads.
    ListUploads,
    /// Where the bucket is.
    Locate,
}

impl Action {
    /// What an IAM policy has to allow for it.
    pub fn permission(self) -> &'static str {
        match self {
            Self::List | Self::Locate => "s3:ListBucket",
            Self::Get => "s3:GetObject",
            Self::Put => "s3:PutObject",
            Self::Copy => "s3:GetObject and s3:PutObject",
            Self::Delete => "s3:DeleteObject",
            Self::Abort => "s3:AbortMultipartUpload",
            Self::ListUploads => "s3:ListBucketMultipartUploads",
        }
    }

    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "read",
            Self::Put => "write",
            Self::Copy => "copy to",
            Self::Delete => "delete",
            Self::Abort => "give up an upload to",
            Self::ListUploads => "list unfinished uploads in",
            Self::Locate => "find",
        }
    }
}
