#include "rcnn/detection/rpn_cases.h"

#include <ATen/ATen.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {

at::Generator RpnGenerator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

absl::StatusOr<std::shared_ptr<Rpn>> CreateRpn(const std::string& text, size_t levels) {
  const auto config = configs::ParseTextOrDie<configs::RpnConfig>(text);
  return Rpn::Create(config, std::vector<FeatureLevel>(levels, {4, 16}));
}

std::shared_ptr<Rpn> MakeRpn(const RpnConventions& wanted, const std::string& more) {
  auto rpn =
      CreateRpn(absl::StrCat("channels: 5 anchors { size_px: [16, 48] rounding: WHOLE_PIXELS }"
                             "objectness: ",
                             wanted.softmax ? "SOFTMAX" : "SIGMOID",
                             " box_coder { max_log_scale: 0 inclusive_corners: ", wanted.inclusive,
                             " decode_one_pixel_larger: ", wanted.larger,
                             "} test_proposals { before_nms: 60 after_nms: 25 min_side_px: 16 "
                             "drop_small_first: ",
                             wanted.small_first, " } ", more))
          .value();
  FillAtRandom(*rpn, 0.4, 12);
  rpn->eval();
  return rpn;
}

at::Tensor RpnMaps() { return at::randn({2, 4, 5, 7}, RpnGenerator()); }
InputSizes RpnSizes() { return {{75, 110, 1.5f}, {80, 90, 0.75f}}; }

FeatureMaps RpnFeatures(const std::vector<at::Tensor>& maps) {
  return {maps, kRpnHeight, kRpnWidth};
}

GroundTruths RpnTruths() {
  return {{at::tensor({3.f, 5.f, 50.f, 49.f, 60.f, 20.f, 104.f, 70.f, 0.f, 60.f, 110.f, 75.f})
               .view({3, 4}),
           at::tensor({1, 2, 1}, at::kLong), at::tensor({0, 0, 1}, at::kLong).to(at::kBool)},
          {at::empty({0, 4}), at::empty({0}, at::kLong), at::Tensor()}};
}

std::vector<int64_t> ListIndices(const at::Tensor& indices) {
  return {indices.data_ptr<int64_t>(), indices.data_ptr<int64_t>() + indices.numel()};
}

SlowRpn::SlowRpn(const Rpn& rpn, const RpnConventions& wanted, int64_t image) : wanted_(wanted) {
  const auto conv = [&](const std::string& name, const at::Tensor& x, int64_t padding) {
    return SlowConv(x, FindTensor(rpn, name + ".weight"), FindTensor(rpn, name + ".bias"), 1,
                    padding);
  };
  const at::Tensor x = conv("conv", RpnMaps().narrow(0, image, 1), 1).clamp_min(0);
  logits_ = conv("cls_score", x, 0)[0];
  deltas_ = conv("bbox_pred", x, 0)[0];
}

double SlowRpn::Score(int64_t row, int64_t column, int64_t a) const {
  const auto at = [&](int64_t channel) { return logits_[channel][row][column].item<double>(); };
  if (!wanted_.softmax) return 1 / (1 + std::exp(-at(a)));
  const double background = std::exp(at(a)), object = std::exp(at(kRpnAnchors + a));
  return object / (background + object);
}

SlowBox SlowRpn::Decoded(const SlowBox& anchor, int64_t row, int64_t column, int64_t a) const {
  SlowDeltas deltas;
  for (int64_t i = 0; i < 4; ++i) {
    deltas[static_cast<size_t>(i)] = deltas_[4 * a + i][row][column].item<double>();
  }
  return SlowDecode(anchor, deltas, kNoWeights, wanted_.plus(), wanted_.larger ? 1 : 0);
}

}  // namespace rcnn::detection
