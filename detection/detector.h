// A trained detector, ready to use: images in, detections out.
//
// Loads a model directory (model_directory.h), or takes its parts from memory.
// Loading prepares the network for inference: norms are folded into convolutions,
// weights are packed, on the CPU straight from the mapped file, and no gradients are recorded. With
// a cache (packed_cache.h), later loads of the same file map the packed weights instead.
// For training and for parts of a model see faster_rcnn.h.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto detector, Detector::Load("runs/cells/model"));
//   RCNN_ASSIGN_OR_RETURN(Detections detections, detector->Detect(rgb));
//   const int64_t label = detections.labels[0].item<int64_t>();
//   const std::string& name = detector->class_names()[label - 1];

#ifndef RCNN_DETECTION_DETECTOR_H_
#define RCNN_DETECTION_DETECTOR_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/detections.h"
#include "rcnn/detection/packed_cache_options.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection {

struct DetectorOptions {
  // On the CPU, kBfloat16 where there are instructions for it, else float32 (precision.h).
  // On a GPU, kBfloat16 is autocast (base/autocast_scope.h).
  Precision precision = Precision::kFloat32;
  // Where packed weights are kept, on the CPU. Default: nowhere.
  PackedCacheOptions cache = {};
  // Where the network runs. CheckDevice (base/device.h) has accepted it.
  c10::Device device = c10::Device(c10::DeviceType::CPU);
  // For how many sizes of images the network is launched as a graph on a GPU
  // (graphed_network.h), which does not change the results. 0: none. If memory runs out, they are
  // freed, and none is used from then on.
  int64_t max_graphs = 0;
};

class Detector {
 public:
  // `path`: a model directory or the weights' file in it. Errors name the file and,
  // in the config, line and column. Mismatches are reported here, not at the first
  // image: see MakeTrainedModel.
  static absl::StatusOr<std::unique_ptr<Detector>> Load(const std::string& path,
                                                        const DetectorOptions& options = {});

  // From parts in memory. `weights` have rcnn's names (weights/names.md); move them in to free them
  // as soon as they have been packed or copied. The cache is used only if they come from a file.
  static absl::StatusOr<std::unique_ptr<Detector>> Create(const configs::DetectorConfig& config,
                                                          weights::StateDict weights,
                                                          const DetectorOptions& options = {},
                                                          const WeightsOrigin& origin = {});

  ~Detector();

  // image [H, W, 3] uint8 RGB -> its detections in its own pixels, best first. Thread-safe;
  // LibTorch's threads are shared by concurrent calls. kInvalidArgument if it is not such an
  // image or is too small for the network, kResourceExhausted if memory runs
  // out, on a GPU naming the batch, kInternal if the network's values are not finite.
  absl::StatusOr<Detections> Detect(const at::Tensor& image) const;

  // Several images at once, of any sizes. On a GPU they are resized and normalised there. The
  // network computes each in its own size (batch_map.h), so detections are those of single calls up
  // to rounding: scores within 1e-5 in float32 on the CPU.
  absl::StatusOr<std::vector<Detections>> DetectBatch(const std::vector<at::Tensor>& images) const;

  // About how many bytes of the host's memory the network takes in Detect for an image of this
  // size, besides its weights; 0 on a GPU, and where it sees fewer than kManyInputPixels
  // (detection_memory.h). The
  // first call that sees more runs it on two small blank images. Thread-safe. kInternal if that
  // fails.
  absl::StatusOr<int64_t> EstimateBytes(int64_t height, int64_t width) const;

  // The names of labels 1..K.
  const std::vector<std::string>& class_names() const { return class_names_; }
  const configs::DetectorConfig& config() const { return config_; }

 private:
  // Turns a batch into detections.
  class Engine;

  Detector(configs::DetectorConfig config, std::unique_ptr<Engine> engine);

  // DetectBatch with the graphs that there are.
  absl::StatusOr<std::vector<Detections>> TryBatch(const std::vector<at::Tensor>& images) const;

  configs::DetectorConfig config_;
  std::vector<std::string> class_names_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_DETECTOR_H_
