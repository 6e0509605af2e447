#include "rcnn/data/shards/shard_files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/retried_calls.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {

class ShardFiles::OpenFile {
 public:
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
  ~OpenFile() { close(descriptor_); }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  // Fills `bytes` from `offset` on.
  absl::Status Read(int64_t offset, const std::string& path, std::string& bytes) const {
    for (size_t done = 0; done < bytes.size();) {
      const ssize_t got = pread(descriptor_, &bytes[done], bytes.size() - done,
                                static_cast<off_t>(offset + static_cast<int64_t>(done)));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus("read", path);
      if (got == 0) {
        return absl::DataLossError(absl::StrCat(path, ": ends at ", offset + done, ", before the ",
                                                Counted(bytes.size(), "byte"), " at ", offset,
                                                ": it was cut off; copy it again"));
      }
      done += static_cast<size_t>(got);
    }
    return absl::OkStatus();
  }

 private:
  const int descriptor_;
};

ShardFiles::ShardFiles(std::vector<std::string> paths, size_t max_open)
    : paths_(std::move(paths)), max_open_(max_open) {}

ShardFiles::~ShardFiles() = default;

// Of two threads that open the same file, the second one's is closed again.
ShardFiles::Shared ShardFiles::Keep(int64_t file, Shared opened) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(open_.begin(), open_.end(),
                                  [&](const auto& entry) { return entry.first == file; });
  if (found != open_.end()) return found->second;
  if (opened == nullptr) return nullptr;
  if (open_.size() >= max_open_) open_.pop_front();
  open_.emplace_back(file, opened);
  return opened;
}

absl::StatusOr<ShardFiles::Shared> ShardFiles::Find(int64_t file) const {
  if (Shared known = Keep(file, nullptr)) return known;
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int descriptor = OpenRetried(path(file), O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path(file));
  return Keep(file, std::make_shared<const OpenFile>(descriptor));
}

absl::StatusOr<std::string> ShardFiles::Read(int64_t file, int64_t offset, int64_t size) const {
  RCNN_ASSIGN_OR_RETURN(const Shared opened, Find(file));
  std::string bytes(static_cast<size_t>(size), '\0');
  RCNN_RETURN_IF_ERROR(opened->Read(offset, path(file), bytes));
  return bytes;
}

}  // namespace rcnn::data
