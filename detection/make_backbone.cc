#include "rcnn/detection/make_backbone.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/registry.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/resnet.h"
#include "rcnn/detection/tiny_backbone.h"
#include "rcnn/detection/vgg16.h"
#include "rcnn/detection/vgg_cnn_m_1024.h"
#include "rcnn/detection/zf.h"

namespace rcnn::detection {
namespace {

using BackboneOr = absl::StatusOr<std::shared_ptr<Backbone>>;

absl::Status CheckStride(const char* field, int stride) {
  if (stride == 1 || stride == 2) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("backbone.resnet.", field, " is ", stride, "; it must be 1 or 2"));
}

BackboneOr MakeResNet(const configs::ResNetConfig& config, bool pyramid) {
  RCNN_RETURN_IF_ERROR(CheckStride("conv1_stride", config.conv1_stride()));
  RCNN_RETURN_IF_ERROR(CheckStride("layer2_stride", config.layer2_stride()));
  RCNN_RETURN_IF_ERROR(CheckStride("layer3_stride", config.layer3_stride()));
  RCNN_RETURN_IF_ERROR(CheckStride("layer4_stride", config.layer4_stride()));
  // 64 divides the channels of every layer.
  RCNN_RETURN_IF_ERROR(CheckNorm("backbone.resnet.norm", config.norm(), 64));
  ResNetOptions options;
  options.depth = config.depth();
  options.norm = ResNetNormOptions(config);
  options.conv1_stride = config.conv1_stride();
  options.stem_pool = config.stem_pool();
  options.layer_strides = {1, config.layer2_stride(), config.layer3_stride(),
                           config.layer4_stride()};
  options.pyramid = pyramid;
  return std::make_shared<ResNet>(options);
}

BackboneOr MakeTiny(const configs::TinyConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckRange("backbone.tiny.channels", config.channels(), 8, 1 << 20));
  if (config.channels() % 8 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("backbone.tiny.channels is ", config.channels(), ", not a multiple of 8"));
  }
  RCNN_RETURN_IF_ERROR(CheckRange("backbone.tiny.last_stride", config.last_stride(), 1, 2));
  return std::make_shared<TinyBackbone>(config.channels(), config.last_stride());
}

Registry<BackboneFactory>& RegisteredBackbones() {
  static auto* const backbones = new Registry<BackboneFactory>();
  return *backbones;
}

BackboneOr MakeRegistered(const configs::RegisteredBackboneConfig& config) {
  RCNN_ASSIGN_OR_RETURN(const BackboneFactory* make,
                        RegisteredBackbones().Find("backbone.registered.name", config.name()));
  return (*make)(config);
}

BackboneOr MakeNetwork(const configs::BackboneConfig& config, bool pyramid) {
  using Config = configs::BackboneConfig;
  if (pyramid && config.network_case() != Config::kResnet) {
    return absl::InvalidArgumentError("a feature pyramid (fpn) needs backbone { resnet {} }");
  }
  switch (config.network_case()) {
    case Config::kZf:
      return std::make_shared<Zf>();
    case Config::kVggCnnM1024:
      return std::make_shared<VggCnnM1024>();
    case Config::kVgg16:
      return std::make_shared<Vgg16>(config.vgg16().ceil_mode_pools());
    case Config::kResnet:
      return MakeResNet(config.resnet(), pyramid);
    case Config::kTiny:
      return MakeTiny(config.tiny());
    case Config::kRegistered:
      return MakeRegistered(config.registered());
    case Config::NETWORK_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError(
      "backbone has no network; set one of zf, vgg_cnn_m_1024, vgg16, resnet, tiny, registered");
}

}  // namespace

NormOptions ReadNormOptions(const configs::NormConfig& config, NormOptions::Kind unset) {
  NormOptions options;
  options.kind = unset;
  switch (config.kind_case()) {
    case configs::NormConfig::kFrozenBatchNorm:
      options.kind = NormOptions::kFrozenBatchNorm;
      options.epsilon = config.frozen_batch_norm().epsilon();
      break;
    case configs::NormConfig::kBatchNorm:
      options.kind = NormOptions::kBatchNorm;
      options.epsilon = config.batch_norm().epsilon();
      options.momentum = config.batch_norm().momentum();
      break;
    case configs::NormConfig::kGroupNorm:
      options.kind = NormOptions::kGroupNorm;
      options.epsilon = config.group_norm().epsilon();
      options.groups = config.group_norm().groups();
      break;
    case configs::NormConfig::kNone:
      options.kind = NormOptions::kNone;
      break;
    case configs::NormConfig::KIND_NOT_SET:
      break;
  }
  return options;
}

NormOptions ResNetNormOptions(const configs::ResNetConfig& config) {
  return ReadNormOptions(config.norm(), NormOptions::kFrozenBatchNorm);
}

bool RegisterBackbone(const std::string& name, BackboneFactory make) {
  return RegisteredBackbones().Add(name, std::move(make));
}

BackboneOr MakeBackbone(const configs::BackboneConfig& config, bool pyramid) {
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<Backbone> backbone, MakeNetwork(config, pyramid));
  const int64_t stages = static_cast<int64_t>(backbone->stages().size());
  if (config.frozen_stages() < 0 || config.frozen_stages() > stages) {
    return absl::InvalidArgumentError(absl::StrCat("backbone.frozen_stages is ",
                                                   config.frozen_stages(), "; this network has ",
                                                   Counted(stages, "stage")));
  }
  backbone->FreezeStages(config.frozen_stages());
  return backbone;
}

}  // namespace rcnn::detection
