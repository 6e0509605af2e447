#include "rcnn/data/split/image_hashes.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/user_cache.h"
#include "rcnn/data/split/image_hashes.pb.h"

namespace rcnn::data {
namespace {

using ::google::protobuf::internal::WireFormatLite;
using ::google::protobuf::io::CodedInputStream;

constexpr int kFormat = 1;
// Of millions of images.
constexpr int64_t kMaxCacheBytes = int64_t{1} << 30;
// Of an entry: that of its six words, with their length.
constexpr uint32_t kLeastEntryBytes = 50;

constexpr uint32_t Varint(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_VARINT);
}

constexpr uint32_t LengthDelimited(int field) {
  return WireFormatLite::MakeTag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
}

// A file's state when it was hashed.
struct FileState {
  int64_t size = 0;
  int64_t time_ns = 0;
};

absl::StatusOr<FileState> ReadState(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return ErrnoStatus("examine", path);
  return FileState{static_cast<int64_t>(status.st_size),
                   int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

// The first line of the file, before the message: the CRC-32C of the message.
std::string FirstLine(absl::string_view message) {
  return absl::StrFormat("%08x\n", Crc32c(message));
}

CodedInputStream Stream(absl::string_view message) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(message.data()),
                          static_cast<int>(message.size()));
}

// Whether the entry has no fields but its own.
bool IsPlainEntry(absl::string_view entry) {
  using Entry = ImageHashCache::Entry;
  CodedInputStream input = Stream(entry);
  while (const uint32_t tag = input.ReadTag()) {
    const bool is_own =
        tag == LengthDelimited(Entry::kPathFieldNumber) || tag == Varint(Entry::kSizeFieldNumber) ||
        tag == Varint(Entry::kTimeNsFieldNumber) || tag == LengthDelimited(Entry::kWordFieldNumber);
    if (!is_own || !WireFormatLite::SkipField(&input, tag)) return false;
  }
  return input.ConsumedEntireMessage();
}

// Whether the message has no fields and no entries but those that Save() writes. Others would be
// kept too: an empty entry, 2 bytes, takes 90 in memory, and an unknown field up to 50.
bool IsPlain(absl::string_view message) {
  CodedInputStream input = Stream(message);
  while (const uint32_t tag = input.ReadTag()) {
    if (tag == Varint(ImageHashCache::kFormatFieldNumber)) {
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      continue;
    }
    uint32_t size = 0;
    const bool is_entry = tag == LengthDelimited(ImageHashCache::kEntryFieldNumber) &&
                          input.ReadVarint32(&size) && size >= kLeastEntryBytes;
    if (!is_entry) return false;
    const auto begin = static_cast<size_t>(input.CurrentPosition());
    if (!input.Skip(static_cast<int>(size)) || !IsPlainEntry(message.substr(begin, size))) {
      return false;
    }
  }
  return input.ConsumedEntireMessage();
}

// Empty if the file is missing, damaged, too large, or of another version.
ImageHashCache ReadCache(const std::string& file) {
  ImageHashCache cache;
  if (file.empty()) return cache;
  const absl::StatusOr<std::string> bytes = ReadFile(file, {.max_bytes = kMaxCacheBytes});
  if (!bytes.ok()) return cache;
  const absl::string_view message =
      absl::string_view(*bytes).substr(std::min(bytes->size(), FirstLine("").size()));
  if (!absl::StartsWith(*bytes, FirstLine(message))) return cache;
  const bool is_read =
      IsPlain(message) && cache.ParseFromArray(message.data(), static_cast<int>(message.size()));
  if (!is_read || cache.format() != kFormat) cache.Clear();
  return cache;
}

class Hasher {
 public:
  Hasher(const std::vector<std::string>& paths, const HashOptions& options)
      : paths_(paths), options_(options), states_(paths.size()), hashes_(paths.size()) {}

  // What each thread does.
  void Work() {
    while (!stopped_) {
      const size_t index = next_++;
      if (index >= paths_.size()) return;
      if (options_.stop && options_.stop()) {
        stopped_ = true;
        return;
      }
      const bool is_known = Take(index);
      const std::function<void()>& report =
          is_known && options_.known ? options_.known : options_.progress;
      if (report) report();
    }
  }

  void Load(const ImageHashCache& cache) {
    for (const ImageHashCache::Entry& entry : cache.entry()) {
      if (entry.word_size() == 6) known_.emplace(entry.path(), &entry);
    }
  }

  // Entries of other files are kept: the parts of one folder share a cache.
  void Save(ImageHashCache& cache) const {
    if (options_.cache_file.empty() || computed_ == 0) return;
    ImageHashCache written;
    written.set_format(kFormat);
    absl::flat_hash_map<std::string, bool> mine;
    for (size_t i = 0; i < paths_.size(); ++i) {
      mine[paths_[i]] = true;
      if (!hashes_[i]) continue;
      ImageHashCache::Entry* const entry = written.add_entry();
      entry->set_path(paths_[i]);
      entry->set_size(states_[i].size);
      entry->set_time_ns(states_[i].time_ns);
      for (const uint64_t word : hashes_[i]->content) entry->add_word(word);
      for (const uint64_t word : hashes_[i]->look) entry->add_word(word);
    }
    for (ImageHashCache::Entry& entry : *cache.mutable_entry()) {
      if (mine.count(entry.path()) == 0) written.add_entry()->Swap(&entry);
    }
    const std::string folder = std::filesystem::path(options_.cache_file).parent_path().string();
    if (!CreateDirectories(folder).ok()) return;
    const std::string message = written.SerializeAsString();
    WriteFileAtomically(options_.cache_file, absl::StrCat(FirstLine(message), message))
        .IgnoreError();
  }

  bool stopped() const { return stopped_; }
  // Of an image that cannot be read now. To be called when the threads have ended.
  absl::Status error() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return error_;
  }
  std::vector<std::optional<ImageHash>> TakeHashes() { return std::move(hashes_); }

 private:
  // Returns whether the hash is that of the cache.
  bool Take(size_t index) {
    const absl::StatusOr<FileState> state = ReadState(paths_[index]);
    if (!state.ok()) {
      KeepError(state.status());
      return false;
    }
    states_[index] = *state;
    const auto known = known_.find(paths_[index]);
    if (known != known_.end() && known->second->size() == state->size &&
        known->second->time_ns() == state->time_ns) {
      ImageHash hash;
      for (int i = 0; i < 2; ++i) hash.content[i] = known->second->word(i);
      for (int i = 0; i < 4; ++i) hash.look[i] = known->second->word(2 + i);
      hashes_[index] = hash;
      return true;
    }
    const absl::StatusOr<ImageHash> hash = ReadImageHash(paths_[index]);
    ++computed_;
    if (hash.ok()) {
      hashes_[index] = *hash;
    } else {
      KeepError(hash.status());
    }
    return false;
  }

  void KeepError(const absl::Status& error) {
    const std::lock_guard<std::mutex> lock(mutex_);
    KeepUnreadable(error, error_);
  }

  const std::vector<std::string>& paths_;
  const HashOptions& options_;
  absl::flat_hash_map<std::string, const ImageHashCache::Entry*> known_;
  // Written by the one thread that took the index.
  std::vector<FileState> states_;
  std::vector<std::optional<ImageHash>> hashes_;
  std::atomic<size_t> next_{0};
  std::atomic<int64_t> computed_{0};
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::vector<std::optional<ImageHash>>> HashImages(
    const std::vector<std::string>& paths, const HashOptions& options) {
  ImageHashCache cache = ReadCache(options.cache_file);
  Hasher hasher(paths, options);
  hasher.Load(cache);
  std::vector<std::thread> threads;
  for (int i = 1; i < options.threads; ++i) threads.emplace_back([&] { hasher.Work(); });
  hasher.Work();
  for (std::thread& thread : threads) thread.join();
  hasher.Save(cache);
  if (hasher.stopped()) return absl::CancelledError("stopped while comparing the images");
  RCNN_RETURN_IF_ERROR(hasher.error());
  return hasher.TakeHashes();
}

std::string HashCacheFile(const std::string& folder) {
  const std::string cache = UserCacheFolder("image_hashes");
  if (cache.empty()) return "";
  const absl::StatusOr<std::string> absolute = AbsolutePath(folder);
  if (!absolute.ok()) return "";
  const std::filesystem::path path = std::filesystem::path(*absolute).lexically_normal();
  const FileDigest digest = Digest(path.string());
  const std::string name = path.filename().string();
  return absl::StrCat(cache, "/", name, "-", absl::StrFormat("%08x", digest.crc32c), ".pb");
}

}  // namespace rcnn::data
