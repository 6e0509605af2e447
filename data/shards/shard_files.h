// Reads parts of large files, from any number of threads.
//
// A file is opened when it is first read and stays open; of many files, a bounded number stays
// open. Each read is one positioned read, so threads do not disturb each other.
//
// Example:
//   const ShardFiles files({"a.tar", "b.tar"});
//   RCNN_ASSIGN_OR_RETURN(const std::string bytes, files.Read(1, 512, 900));

#ifndef RCNN_DATA_SHARDS_SHARD_FILES_H_
#define RCNN_DATA_SHARDS_SHARD_FILES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"

namespace rcnn::data {

class ShardFiles {
 public:
  // max_open: files that stay open, >= 1.
  explicit ShardFiles(std::vector<std::string> paths, size_t max_open = 64);
  ~ShardFiles();

  const std::string& path(int64_t file) const { return paths_[static_cast<size_t>(file)]; }

  // `size` bytes of the file with this number, from `offset` on; both >= 0. Errors name the path:
  // kNotFound, kPermissionDenied, kDataLoss if the file ends before them, kUnavailable otherwise.
  absl::StatusOr<std::string> Read(int64_t file, int64_t offset, int64_t size) const;

 private:
  class OpenFile;
  using Shared = std::shared_ptr<const OpenFile>;

  absl::StatusOr<Shared> Find(int64_t file) const;
  Shared Keep(int64_t file, Shared opened) const;

  const std::vector<std::string> paths_;
  const size_t max_open_;
  mutable std::mutex mutex_;
  // In the order in which they were opened; the oldest is closed first.
  mutable std::deque<std::pair<int64_t, Shared>> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHARDS_SHARD_FILES_H_
