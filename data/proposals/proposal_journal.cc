#include "rcnn/data/proposals/proposal_journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/retried_calls.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

// The file: records of a uint64 size, so many bytes, and the CRC-32C of both. The first
// record is the key; each other record has an image's boxes and then its scores.
constexpr size_t kSizeBytes = sizeof(uint64_t);
constexpr size_t kChecksumBytes = sizeof(uint32_t);
constexpr size_t kBytesPerBox = sizeof(Box) + sizeof(float);

template <typename T>
absl::string_view AsBytes(const T* values, size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(T)};
}

// Without the size, zeros, which a power cut can leave at the end, would be records without boxes:
// the checksum of nothing is 0.
uint32_t Checksum(absl::string_view payload) {
  const uint64_t size = payload.size();
  return Crc32c(payload, Crc32c(AsBytes(&size, 1)));
}

std::string Record(absl::string_view payload) {
  const uint64_t size = payload.size();
  const uint32_t checksum = Checksum(payload);
  return absl::StrCat(AsBytes(&size, 1), payload, AsBytes(&checksum, 1));
}

// Removes the next record from `bytes`; nullopt if it is incomplete.
std::optional<absl::string_view> TakeRecord(absl::string_view& bytes) {
  if (bytes.size() < kSizeBytes + kChecksumBytes) return std::nullopt;
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), kSizeBytes);
  if (size > bytes.size() - kSizeBytes - kChecksumBytes) return std::nullopt;
  const absl::string_view payload = bytes.substr(kSizeBytes, size);
  uint32_t checksum = 0;
  std::memcpy(&checksum, payload.data() + size, kChecksumBytes);
  if (checksum != Checksum(payload)) return std::nullopt;
  bytes.remove_prefix(kSizeBytes + size + kChecksumBytes);
  return payload;
}

absl::Status ReplayRecord(absl::string_view payload, ProposalJournal::Replay replay) {
  const size_t count = payload.size() / kBytesPerBox;
  std::vector<Box> boxes(count);
  std::vector<float> scores(count);
  if (count > 0) {
    std::memcpy(boxes.data(), payload.data(), count * sizeof(Box));
    std::memcpy(scores.data(), payload.data() + count * sizeof(Box), count * sizeof(float));
  }
  return replay(boxes, scores);
}

}  // namespace

absl::StatusOr<ProposalJournal> ProposalJournal::Open(const std::string& path,
                                                      const std::string& key, Replay replay) {
  const int descriptor = OpenRetried(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path);
  ProposalJournal journal(path, descriptor);
  RCNN_RETURN_IF_ERROR(journal.Lock());
  RCNN_RETURN_IF_ERROR(journal.ReplayOrBegin(key, replay));
  return journal;
}

absl::StatusOr<bool> ProposalJournal::Exists(const std::string& path, const std::string& key) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (absl::IsNotFound(file.status())) return false;
  RCNN_RETURN_IF_ERROR(file.status());
  absl::string_view bytes = file->bytes();
  return TakeRecord(bytes) == absl::string_view(key);
}

ProposalJournal::ProposalJournal(ProposalJournal&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

ProposalJournal::~ProposalJournal() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status ProposalJournal::Lock() {
  while (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return ErrnoStatus("lock", path_);
    return absl::UnavailableError(absl::StrCat(path_, ": another process is writing it"));
  }
  return absl::OkStatus();
}

absl::Status ProposalJournal::ReplayOrBegin(const std::string& key, Replay replay) {
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path_));
  absl::string_view rest = file.bytes();
  const bool is_ours = TakeRecord(rest) == absl::string_view(key);
  while (is_ours) {
    absl::string_view next = rest;
    const std::optional<absl::string_view> payload = TakeRecord(next);
    if (!payload || payload->size() % kBytesPerBox != 0) break;
    RCNN_RETURN_IF_ERROR(ReplayRecord(*payload, replay), path_);
    rest = next;
  }
  const size_t kept = is_ours ? file.bytes().size() - rest.size() : 0;
  if (ftruncate(descriptor_, static_cast<off_t>(kept)) != 0) return ErrnoStatus("cut", path_);
  return is_ours ? absl::OkStatus() : Write(Record(key));
}

absl::Status ProposalJournal::Write(const std::string& bytes) {
  return WriteAllRetried(descriptor_, bytes) ? absl::OkStatus() : ErrnoStatus("write to", path_);
}

absl::Status ProposalJournal::Append(absl::Span<const Box> boxes, absl::Span<const float> scores) {
  return Write(Record(
      absl::StrCat(AsBytes(boxes.data(), boxes.size()), AsBytes(scores.data(), scores.size()))));
}

absl::Status ProposalJournal::Remove() {
  if (unlink(path_.c_str()) == 0) return absl::OkStatus();
  return ErrnoStatus("delete", path_);
}

}  // namespace rcnn::data
