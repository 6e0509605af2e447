// Names in the folder:
//
//   DIGEST-KEY.packed.safetensors   a packed model (packed_model.h)
//   weights.packed.index            the index, a line for each file of weights
//
//   DIGEST   SHA-256 of the weights' file, 64 hexadecimal digits
//   KEY      CRC-32C of what else the model depends on; the whole text is in the file's metadata
//
// The index (packed_cache_index.h) has the latest first. The state alone is looked up, since it
// names the inode; a path is there so that its old weights are known.

#include "rcnn/detection/packed_cache.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <google/protobuf/text_format.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/libtorch_version.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/sha256.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/user_cache.h"
#include "rcnn/detection/convolution/stored_panels.h"
#include "rcnn/detection/packed_cache_index.h"
#include "rcnn/detection/packed_model.h"
#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {
namespace {

// Of the metadata. Raise it when a name in packed_model.h gets another meaning.
constexpr int kFormat = 2;
constexpr char kKey[] = "packed_for";
// In the name of every packed model, also while it is written.
constexpr char kFileMarker[] = ".packed.safetensors";
// Room for as many of the longest paths as the index has, with escapes.
constexpr int64_t kMaxIndexBytes = int64_t{4} << 20;

// Limits on detections change neither the network nor its weights.
std::string NetworkText(configs::ModelConfig config) {
  if (config.has_head()) config.mutable_head()->clear_detections();
  std::string text;
  google::protobuf::TextFormat::PrintToString(config, &text);
  return text;
}

std::string KeyText(const configs::DetectorConfig& config, Precision precision) {
  return absl::StrCat("format ", kFormat, ".", kPanelFormat, "\nlibtorch ", TORCH_VERSION,
                      "\ninstructions ", InstructionLevelName(CurrentInstructionLevel()),
                      "\nprecision ", PrecisionName(SupportedPrecision(precision)), "\nclasses ",
                      config.class_name_size(), "\n", NetworkText(config.model()));
}

std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

int64_t NowNanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string IndexPath(const std::string& folder) {
  return absl::StrCat(folder, "/", PackedCache::kIndexFile);
}

// None if there is no index, or if it cannot be read.
std::vector<IndexedWeights> ReadIndex(const std::string& folder) {
  const absl::StatusOr<std::string> text =
      ReadFile(IndexPath(folder), {.max_bytes = kMaxIndexBytes});
  if (!text.ok()) return {};
  return ParseWeightsIndex(*text, PackedCache::kMostWeights);
}

absl::Status WriteIndex(const std::string& folder, const std::vector<IndexedWeights>& entries) {
  return WriteFileAtomically(IndexPath(folder), WeightsIndexText(entries)).status();
}

// Deletes the packed models of weights that no path has.
absl::Status DeletePacked(const std::string& folder, const std::string& digest) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(folder));
  for (const std::string& name : names) {
    if (!absl::StartsWith(name, digest + "-") || !absl::EndsWith(name, kFileMarker)) continue;
    RCNN_RETURN_IF_ERROR(RemovePath(absl::StrCat(folder, "/", name)));
  }
  return absl::OkStatus();
}

// Makes the file the last that LimitFolderBytes deletes.
void MarkUsed(const std::string& path) {
  if (utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) PLOG(INFO) << Printable(path);
}

// Of what saves time at the next start, or deletes old files: it does not matter to this one.
void LogFailure(const absl::Status& status) {
  if (!status.ok()) LOG(INFO) << Printable(status.message());
}

}  // namespace

std::optional<FileDigest> PackedCache::FindFileDigest(const std::string& folder,
                                                      const FileState& state) {
  if (folder.empty()) return std::nullopt;
  const std::string text = state.ToString();
  for (const IndexedWeights& entry : ReadIndex(folder)) {
    if (entry.state == text) return FileDigest{state.size, entry.crc32c};
  }
  return std::nullopt;
}

PackedCache::PackedCache(PackedCacheOptions options, WeightsOrigin origin,
                         const configs::DetectorConfig& config, Precision precision)
    : options_(std::move(options)),
      origin_(std::move(origin)),
      config_(config.model()),
      num_classes_(config.class_name_size()),
      precision_(precision) {
  if (options_.folder.empty() || origin_.path.empty()) return;
  const absl::Status status = FindDigest();
  LogFailure(status);
  if (!status.ok()) return;
  const std::string rest = KeyText(config, precision);
  key_ = absl::StrCat("weights ", digest_, "\n", rest);
  path_ = absl::StrFormat("%s/%s-%08x%s", options_.folder, digest_, Crc32c(rest), kFileMarker);
}

absl::Status PackedCache::FindDigest() {
  const std::string state = origin_.state.ToString();
  for (const IndexedWeights& entry : ReadIndex(options_.folder)) {
    if (entry.state != state) continue;
    digest_ = entry.digest;
    is_indexed_ = true;
    return absl::OkStatus();
  }
  FileDigest file;
  RCNN_ASSIGN_OR_RETURN(std::string digest, Sha256OfFile(origin_.path, &file));
  RCNN_ASSIGN_OR_RETURN(const FileState now, ReadFileState(origin_.path));
  if (!(now == origin_.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat(origin_.path, " was changed while it was read"));
  }
  digest_ = std::move(digest);
  crc32c_ = file.crc32c;
  return absl::OkStatus();
}

// A second change may then not show in the state.
bool PackedCache::HaveJustChanged() const {
  return NowNanoseconds() - origin_.state.changed_ns < options_.min_age_ns;
}

absl::Status PackedCache::KeepDigest() const {
  if (is_indexed_ || HaveJustChanged()) return absl::OkStatus();
  const std::string path = Absolute(origin_.path);
  std::vector<IndexedWeights> entries = {{digest_, origin_.state.ToString(), path, crc32c_}};
  std::vector<std::string> replaced;
  for (IndexedWeights& entry : ReadIndex(options_.folder)) {
    if (entry.path == path) {
      replaced.push_back(entry.digest);
    } else if (static_cast<int64_t>(entries.size()) < kMostWeights) {
      entries.push_back(std::move(entry));
    }
  }
  RCNN_RETURN_IF_ERROR(WriteIndex(options_.folder, entries));
  for (const std::string& digest : replaced) {
    const bool is_used = absl::c_any_of(
        entries, [&](const IndexedWeights& entry) { return entry.digest == digest; });
    if (!is_used) RCNN_RETURN_IF_ERROR(DeletePacked(options_.folder, digest));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<FasterRcnn>> PackedCache::Read() const {
  RCNN_ASSIGN_OR_RETURN(const PackedModelFile file, PackedModelFile::Open(path_));
  const auto key = file.metadata().find(kKey);
  if (key == file.metadata().end() || key->second != key_) {
    return absl::FailedPreconditionError("it was packed for something else");
  }
  const UnfilledWeights unfilled;
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<FasterRcnn> model,
                        FasterRcnn::Create(config_, num_classes_));
  model->eval();
  RCNN_RETURN_IF_ERROR(file.Fill(precision_, *model));
  MarkUsed(path_);
  LogFailure(KeepDigest());
  return model;
}

std::shared_ptr<FasterRcnn> PackedCache::Find() const {
  if (!enabled()) return nullptr;
  auto model = CatchExceptions([&] { return Read(); });
  if (model.ok()) return *std::move(model);
  if (!absl::IsNotFound(model.status())) {
    LOG(INFO) << Printable(path_) << " is not used: " << Printable(model.status().message());
  }
  return nullptr;
}

absl::Status PackedCache::Write(const FasterRcnn& model) const {
  if (HaveJustChanged()) {
    return absl::FailedPreconditionError("the weights have just been changed");
  }
  RCNN_ASSIGN_OR_RETURN(const FileState now, ReadFileState(origin_.path));
  if (!(now == origin_.state)) {
    return absl::FailedPreconditionError("the weights were changed while they were read");
  }
  RCNN_RETURN_IF_ERROR(CreateCacheFolder(options_.folder));
  // Also where the model is not kept, so that the next start does not read all weights for it.
  LogFailure(KeepDigest());
  if (PackedModelBytes(model) > options_.max_bytes) {
    return absl::ResourceExhaustedError("the model is larger than the cache may be");
  }
  RCNN_RETURN_IF_ERROR(WritePackedModel(model, {{kKey, key_}}, path_));
  LogFailure(LimitFolderBytes(options_.folder, kFileMarker, options_.max_bytes));
  return absl::OkStatus();
}

void PackedCache::Keep(const FasterRcnn& model) const {
  if (!enabled()) return;
  const absl::Status status = CatchExceptions([&] { return Write(model); });
  if (!status.ok()) {
    LOG(INFO) << Printable(path_) << " is not kept: " << Printable(status.message());
  }
}

}  // namespace rcnn::detection
