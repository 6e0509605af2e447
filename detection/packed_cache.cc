#include "rcnn/detection/packed_cache.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <google/protobuf/text_format.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/libtorch_version.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/user_cache.h"
#include "rcnn/detection/convolution/stored_panels.h"
#include "rcnn/detection/packed_model.h"
#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {
namespace {

// Of the metadata. Raise it when a name in packed_model.h gets another meaning.
constexpr int kFormat = 1;
constexpr char kKey[] = "packed_for";
constexpr char kState[] = "weights_state";
constexpr char kDigest[] = "weights_digest";
// In the name of every file of the cache, also while it is written.
constexpr char kFileMarker[] = ".packed.safetensors";

std::string DigestText(const FileDigest& digest) {
  return absl::StrFormat("size=%d crc32c=%08x", digest.size, digest.crc32c);
}

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

// Whether the weights are those that were packed, by the metadata of the packed file.
absl::Status CheckWeights(const SafetensorsMetadata& metadata, const WeightsOrigin& origin) {
  const auto equals = [&](const char* name, const std::string& value) {
    const auto found = metadata.find(name);
    return found != metadata.end() && found->second == value;
  };
  if (equals(kState, origin.state.ToString())) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeFileDigest(origin.path));
  if (equals(kDigest, DigestText(digest))) return absl::OkStatus();
  return absl::FailedPreconditionError("it was packed from other weights");
}

// Makes the file the last that LimitFolderBytes deletes.
void MarkUsed(const std::string& path) {
  if (utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) PLOG(INFO) << Printable(path);
}

// A file that stays too long, such as one of another user, does not matter to the one just written.
void DeleteOldFiles(const PackedCacheOptions& options) {
  const absl::Status status = LimitFolderBytes(options.folder, kFileMarker, options.max_bytes);
  if (!status.ok()) LOG(INFO) << Printable(status.message());
}

}  // namespace

PackedCache::PackedCache(PackedCacheOptions options, WeightsOrigin origin,
                         const configs::DetectorConfig& config, Precision precision)
    : options_(std::move(options)),
      origin_(std::move(origin)),
      config_(config.model()),
      num_classes_(config.class_name_size()),
      precision_(precision) {
  if (options_.folder.empty() || origin_.path.empty()) return;
  key_ = KeyText(config, precision);
  path_ = absl::StrFormat("%s/%08x%08x%s", options_.folder, Crc32c(Absolute(origin_.path)),
                          Crc32c(key_), kFileMarker);
}

absl::StatusOr<std::shared_ptr<FasterRcnn>> PackedCache::Read() const {
  RCNN_ASSIGN_OR_RETURN(const PackedModelFile file, PackedModelFile::Open(path_));
  const auto key = file.metadata().find(kKey);
  if (key == file.metadata().end() || key->second != key_) {
    return absl::FailedPreconditionError("it was packed for something else");
  }
  RCNN_RETURN_IF_ERROR(CheckWeights(file.metadata(), origin_));
  const UnfilledWeights unfilled;
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<FasterRcnn> model,
                        FasterRcnn::Create(config_, num_classes_));
  model->eval();
  RCNN_RETURN_IF_ERROR(file.Fill(precision_, *model));
  MarkUsed(path_);
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
  if (NowNanoseconds() - origin_.state.changed_ns < options_.min_age_ns) {
    return absl::FailedPreconditionError("the weights have just been changed");
  }
  if (PackedModelBytes(model) > options_.max_bytes) {
    return absl::ResourceExhaustedError("the model is larger than the cache may be");
  }
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeFileDigest(origin_.path));
  RCNN_ASSIGN_OR_RETURN(const FileState now, ReadFileState(origin_.path));
  if (!(now == origin_.state)) {
    return absl::FailedPreconditionError("the weights were changed while they were read");
  }
  RCNN_RETURN_IF_ERROR(CreateCacheFolder(options_.folder));
  const SafetensorsMetadata metadata = {
      {kKey, key_}, {kState, origin_.state.ToString()}, {kDigest, DigestText(digest)}};
  RCNN_RETURN_IF_ERROR(WritePackedModel(model, metadata, path_));
  DeleteOldFiles(options_);
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
