#include "rcnn/detection/weights/known_name_maps.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"

namespace rcnn::detection::weights {
namespace {

using Rules = std::vector<NameRule>;

// ImageNet's statistics as torchvision's pretrained networks use them.
ImageNormalization TorchvisionImage() {
  return {ChannelOrder::kRgb, 1.0, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
}

// py-faster-rcnn's PIXEL_MEANS.
ImageNormalization CaffeImage() {
  return {ChannelOrder::kBgr, 255.0, {102.9801, 115.9465, 122.7717}, {1.0, 1.0, 1.0}};
}

Rules operator+(Rules first, const Rules& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

NameMap Rcnn() {
  NameMap map;
  map.name = "rcnn";
  map.description = "rcnn's own names, unchanged";
  map.rules = {
      {"backbone.*", "backbone.*"}, {"fpn.*", "fpn.*"}, {"rpn.*", "rpn.*"}, {"head.*", "head.*"}};
  return map;
}

// torchvision's FPN calls its levels 0…3; they are C2…C5. In each, ".0" is the
// convolution and ".1" the norm, if there is one.
Rules TorchvisionFpnRules() {
  Rules rules;
  for (const auto& [theirs, ours] :
       {std::pair("inner_blocks", "lateral"), std::pair("layer_blocks", "output")}) {
    for (int i = 0; i < 4; ++i) {
      const std::string block = absl::StrCat("backbone.fpn.", theirs, ".", i);
      const std::string level = absl::StrCat("fpn.", ours, i + 2);
      rules.push_back({block + ".0.*", level + ".*"});
      rules.push_back({block + ".1.*", level + "_norm.*"});
      rules.push_back({block + ".weight", level + ".weight", /*only_to_ours=*/true});
      rules.push_back({block + ".bias", level + ".bias", /*only_to_ours=*/true});
    }
  }
  return rules;
}

// The rules of the two parts that torchvision adds to any backbone.
Rules TorchvisionRpnAndPredictorRules() {
  return {{"rpn.head.conv.0.0.*", "rpn.conv.*"},
          {"rpn.head.conv.1.0.*", "rpn.conv2.*"},
          {"rpn.head.conv.weight", "rpn.conv.weight", /*only_to_ours=*/true},
          {"rpn.head.conv.bias", "rpn.conv.bias", /*only_to_ours=*/true},
          {"rpn.head.cls_logits.*", "rpn.cls_score.*"},
          {"rpn.head.bbox_pred.*", "rpn.bbox_pred.*"},
          {"roi_heads.box_predictor.cls_score.*", "head.cls_score.*"},
          {"roi_heads.box_predictor.bbox_pred.*", "head.bbox_pred.*"}};
}

// torchvision's TwoMLPHead.
Rules TorchvisionMlpHeadRules() {
  return {{"roi_heads.box_head.fc6.*", "head.fc6.*"}, {"roi_heads.box_head.fc7.*", "head.fc7.*"}};
}

Rules TorchvisionDetectorRules() {
  return Rules{{"backbone.body.*", "backbone.*"}} + TorchvisionFpnRules() +
         TorchvisionRpnAndPredictorRules();
}

NameMap TorchvisionFasterRcnnFpn() {
  NameMap map;
  map.name = "torchvision_fasterrcnn_fpn";
  map.description = "torchvision fasterrcnn_resnet*_fpn";
  map.rules = TorchvisionDetectorRules() + TorchvisionMlpHeadRules();
  map.signature = {"backbone.body.conv1.weight", "roi_heads.box_head.fc6.weight"};
  map.image = TorchvisionImage();
  return map;
}

// The head is four convolutions with norms and, after a flattening that is
// number 4, one linear layer, number 5.
NameMap TorchvisionFasterRcnnFpnV2() {
  NameMap map;
  map.name = "torchvision_fasterrcnn_fpn_v2";
  map.description = "torchvision fasterrcnn_resnet50_fpn_v2";
  map.rules = TorchvisionDetectorRules();
  for (int i = 0; i < 4; ++i) {
    const std::string theirs = absl::StrCat("roi_heads.box_head.", i);
    const std::string ours = absl::StrCat("head.conv", i + 1);
    map.rules.push_back({theirs + ".0.*", ours + ".*"});
    map.rules.push_back({theirs + ".1.*", ours + "_norm.*"});
  }
  map.rules.push_back({"roi_heads.box_head.5.*", "head.fc6.*"});
  map.signature = {"backbone.body.conv1.weight", "roi_heads.box_head.5.weight"};
  map.image = TorchvisionImage();
  return map;
}

// The 13 convolutions are prefix.N, where ReLUs and pools count too.
Rules TorchvisionVgg16Rules(const std::string& prefix) {
  constexpr int kConvolutions[] = {2, 2, 3, 3, 3};  // per block
  Rules rules;
  int number = 0;
  for (int block = 0; block < 5; ++block) {
    for (int i = 0; i < kConvolutions[block]; ++i, number += 2) {
      rules.push_back({absl::StrCat(prefix, ".", number, ".*"),
                       absl::StrCat("backbone.conv", block + 1, "_", i + 1, ".*")});
    }
    ++number;  // the pool
  }
  return rules;
}

// The names of FasterRCNN(backbone=vgg16().features[:-1]) with a TwoMLPHead.
NameMap TorchvisionFasterRcnnVgg16() {
  NameMap map;
  map.name = "torchvision_fasterrcnn_vgg16";
  map.description = "torchvision FasterRCNN on the features of its vgg16";
  map.rules = TorchvisionVgg16Rules("backbone") + TorchvisionRpnAndPredictorRules() +
              TorchvisionMlpHeadRules();
  map.signature = {"backbone.0.weight", "backbone.28.weight", "roi_heads.box_head.fc6.weight"};
  map.image = TorchvisionImage();
  return map;
}

NameMap TorchvisionVgg16() {
  NameMap map;
  map.name = "torchvision_vgg16";
  map.description = "torchvision vgg16, ImageNet classification";
  map.rules = TorchvisionVgg16Rules("features") + Rules{{"classifier.0.*", "head.fc6.*"},
                                                        {"classifier.3.*", "head.fc7.*"},
                                                        {"classifier.6.*", ""}};
  map.signature = {"features.0.weight", "features.28.weight"};
  map.image = TorchvisionImage();
  return map;
}

Rules TorchvisionResnetRules() {
  return {{"conv1.*", "backbone.conv1.*"},
          {"bn1.*", "backbone.bn1.*"},
          {"layer*", "backbone.layer*"},
          {"fc.*", ""}};
}

NameMap TorchvisionResnet() {
  NameMap map;
  map.name = "torchvision_resnet";
  map.description = "torchvision resnet18 to resnet101, ImageNet classification";
  map.rules = TorchvisionResnetRules();
  map.signature = {"conv1.weight", "bn1.weight", "layer4.0.conv1.weight"};
  map.image = TorchvisionImage();
  return map;
}

NameMap TorchvisionResnetC4() {
  NameMap map;
  map.name = "torchvision_resnet_c4";
  map.description = "the same for a C4 detector, whose head is layer4";
  map.rules = Rules{{"layer4.*", "head.layer4.*"}} + TorchvisionResnetRules();
  map.image = TorchvisionImage();
  return map;
}

// py-faster-rcnn calls the RPN's convolution rpn_conv/3x3 or, in its alternating
// ZF nets, rpn_conv1; the MATLAB release has conv_proposal1 and proposal_*.
Rules CaffeDetectorRules() {
  return {{"rpn_conv/3x3.*", "rpn.conv.*"},
          {"rpn_conv1.*", "rpn.conv.*", /*only_to_ours=*/true},
          {"conv_proposal1.*", "rpn.conv.*", /*only_to_ours=*/true},
          {"rpn_cls_score.*", "rpn.cls_score.*"},
          {"proposal_cls_score.*", "rpn.cls_score.*", /*only_to_ours=*/true},
          {"rpn_bbox_pred.*", "rpn.bbox_pred.*"},
          {"proposal_bbox_pred.*", "rpn.bbox_pred.*", /*only_to_ours=*/true},
          {"fc6.*", "head.fc6.*"},
          {"fc7.*", "head.fc7.*"},
          {"fc8.*", ""},
          {"cls_score.*", "head.cls_score.*"},
          {"bbox_pred.*", "head.bbox_pred.*"}};
}

NameMap Caffe(const std::string& network, const std::string& last_convolution) {
  NameMap map;
  map.name = "caffe_" + network;
  map.rules = CaffeDetectorRules() + Rules{{"conv*", "backbone.conv*"}};
  map.signature = {"conv" + last_convolution + ".weight"};
  map.image = CaffeImage();
  return map;
}

NameMap CaffeVgg16() {
  NameMap map = Caffe("vgg16", "5_3");
  map.description = "Caffe VGG16: ImageNet, py-faster-rcnn, the MATLAB release";
  return map;
}

NameMap CaffeZf() {
  NameMap map = Caffe("zf", "5");
  map.description = "Caffe ZF and VGG_CNN_M_1024: ImageNet, py-faster-rcnn, the MATLAB release";
  return map;
}

bool HasOurNames(const StateDict& state) {
  return !state.empty() && std::all_of(state.begin(), state.end(), [](const auto& entry) {
    return OurName(KnownNameMaps().front(), entry.name).has_value();
  });
}

bool HasSignature(const NameMap& map, const StateDict& state) {
  return !map.signature.empty() &&
         std::all_of(map.signature.begin(), map.signature.end(),
                     [&](const std::string& name) { return state.Find(name) != nullptr; });
}

std::string MapNames() {
  return absl::StrJoin(KnownNameMaps(), ", ", [](std::string* out, const NameMap& map) {
    absl::StrAppend(out, map.name);
  });
}

std::string FirstNames(const StateDict& state) {
  const auto end = state.begin() + std::min<size_t>(state.size(), 5);
  return absl::StrJoin(state.begin(), end, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, "'", entry.name, "'");
  });
}

}  // namespace

const std::vector<NameMap>& KnownNameMaps() {
  static const auto* const maps = new std::vector<NameMap>{
      Rcnn(),
      TorchvisionFasterRcnnFpnV2(),
      TorchvisionFasterRcnnFpn(),
      TorchvisionFasterRcnnVgg16(),
      TorchvisionVgg16(),
      TorchvisionResnet(),
      TorchvisionResnetC4(),
      CaffeVgg16(),
      CaffeZf(),
  };
  return *maps;
}

absl::StatusOr<const NameMap*> FindNameMap(absl::string_view name) {
  for (const NameMap& map : KnownNameMaps()) {
    if (map.name == name) return &map;
  }
  return absl::NotFoundError(
      absl::StrCat("unknown name map '", name, "'; known maps: ", MapNames()));
}

absl::StatusOr<const NameMap*> DetectNameMap(const StateDict& state) {
  for (const NameMap& map : KnownNameMaps()) {
    if (HasSignature(map, state)) return &map;
  }
  if (HasOurNames(state)) return &KnownNameMaps().front();
  return absl::NotFoundError(absl::StrCat("no name map matches these weights (",
                                          Counted(state.size(), "tensor"), ": ", FirstNames(state),
                                          ", …); name one of ", MapNames()));
}

}  // namespace rcnn::detection::weights
