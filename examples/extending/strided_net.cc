// A backbone of three strided convolutions, registered as "strided_net":
//   backbone { registered { name: "strided_net" option { key: "channels" value: 32 } } }
//
// One map at stride 8 with `channels` channels, an option in [1, 4096] that must be set.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/make_backbone.h"

namespace rcnn::examples {
namespace {

using detection::Backbone;
using detection::BatchMap;

class StridedNet : public Backbone {
 public:
  explicit StridedNet(int64_t channels)
      : Backbone({{channels, /*stride=*/8}}, {{"conv1"}, {"conv2"}, {"conv3"}}) {
    detection::ConvOptions options;
    options.in_channels = 3;
    options.out_channels = channels;
    options.stride = 2;
    options.activation = detection::Activation::kRelu;
    for (const char* name : {"conv1", "conv2", "conv3"}) {
      convs_.push_back(detection::AddConv(*this, name, options));
      options.in_channels = channels;
    }
  }

 protected:
  std::vector<BatchMap> Compute(BatchMap images) const override {
    BatchMap x = std::move(images);
    for (const auto& conv : convs_) x = conv->Forward(x);
    return {x};
  }

 private:
  std::vector<std::shared_ptr<detection::Conv>> convs_;
};

absl::StatusOr<std::shared_ptr<Backbone>> MakeStridedNet(
    const configs::RegisteredBackboneConfig& config) {
  const auto channels = config.option().find("channels");
  if (channels == config.option().end() || !(channels->second >= 1 && channels->second <= 4096)) {
    return absl::InvalidArgumentError("strided_net: option channels is not in [1, 4096]");
  }
  return std::make_shared<StridedNet>(static_cast<int64_t>(channels->second));
}

const bool kRegistered = detection::RegisterBackbone("strided_net", &MakeStridedNet);

}  // namespace
}  // namespace rcnn::examples
