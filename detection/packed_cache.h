// Prepared models in the user's cache, so that the second start of a program maps what the first
// has packed.
//
// A file of the cache (packed_model.h) belongs to the SHA-256 of the weights' file, the network,
// the instruction level, the precision, LibTorch's version and the format of the panels. So equal
// weights share it, wherever they lie, and no weights can be made that pass for others. Weights are
// read for their digest only once for each state that their file has (base/file_state.h: size,
// times, inode): an index in the folder has the digests of the last kMostWeights files that were
// read. So the digest costs the first start alone; for R50-FPN's 167 MB 0.1 s where the processor
// has instructions for SHA, 0.4 s elsewhere (base/sha256.h). When a path gets other weights, the
// files of the old ones are deleted, unless another path in the index has them.
//
// A file of the cache that is damaged, cut off, foreign or old is ignored and replaced; so is the
// index, whose absence costs time alone. Processes may share the folder: files are replaced
// atomically, and a mapped file stays valid when it is replaced or deleted. Two processes that
// write the index at the same time may lose an entry of one. Whatever cuts off a file in place ends
// the processes that have mapped it; nothing here does.
//
// A folder that the cache creates can be opened by this user alone. Files in it that are not the
// cache's are left alone.
//
// Nothing depends on the cache. What goes wrong with it, such as a full disk, costs time and is a
// line in the log.
//
// Example:
//   const PackedCache cache({.folder = DefaultPackedCacheFolder()}, origin, config,
//                           Precision::kFloat32);
//   std::shared_ptr<FasterRcnn> model = cache.Find();

#ifndef RCNN_DETECTION_PACKED_CACHE_H_
#define RCNN_DETECTION_PACKED_CACHE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/file_state.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/packed_cache_options.h"

namespace rcnn::detection {

class PackedCache {
 public:
  // Files of weights whose digests the index keeps.
  static constexpr int64_t kMostWeights = 100;
  // In the folder.
  static constexpr char kIndexFile[] = "weights.packed.index";

  // The size and CRC-32C of the weights' file that had this state when a start before read all of
  // it; none if the index in `folder` does not have it, or for "".
  static std::optional<FileDigest> FindFileDigest(const std::string& folder,
                                                  const FileState& state);

  // Reads the weights' file for its digest, unless the index has it.
  PackedCache(PackedCacheOptions options, WeightsOrigin origin,
              const configs::DetectorConfig& config, Precision precision);

  // False without a folder or an origin, or if the weights cannot be read or have changed since
  // `origin`; then Find() is null and Keep() does nothing.
  bool enabled() const { return !path_.empty(); }

  // The model, prepared for inference with its weights dropped, or null.
  std::shared_ptr<FasterRcnn> Find() const;

  // Keeps a model that has been prepared for inference and still has its weights.
  void Keep(const FasterRcnn& model) const;

  // The file that the model has in the cache; "" unless enabled().
  const std::string& path() const { return path_; }

 private:
  absl::StatusOr<std::shared_ptr<FasterRcnn>> Read() const;
  absl::Status Write(const FasterRcnn& model) const;
  bool HaveJustChanged() const;
  absl::Status FindDigest();
  absl::Status KeepDigest() const;

  PackedCacheOptions options_;
  WeightsOrigin origin_;
  configs::ModelConfig config_;
  int64_t num_classes_;
  Precision precision_;
  std::string digest_;       // SHA-256 of the weights' file, part of a file name
  uint32_t crc32c_ = 0;      // of the same
  bool is_indexed_ = false;  // the digest is that of the index
  // What the file must have been packed for.
  std::string key_;
  std::string path_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_PACKED_CACHE_H_
