// Name maps for the weights of other projects.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const NameMap* map, FindNameMap("torchvision_vgg16"));
//   RCNN_ASSIGN_OR_RETURN(const NameMap* guessed, DetectNameMap(state));

#ifndef RCNN_DETECTION_WEIGHTS_KNOWN_NAME_MAPS_H_
#define RCNN_DETECTION_WEIGHTS_KNOWN_NAME_MAPS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/name_map.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// All maps; DetectNameMap tries them in this order, rcnn last:
//   rcnn                             rcnn's own names, unchanged
//   torchvision_fasterrcnn_fpn_v2    fasterrcnn_resnet50_fpn_v2
//   torchvision_fasterrcnn_fpn       fasterrcnn_resnet*_fpn, also with the names used before 0.14
//   torchvision_fasterrcnn_vgg16     FasterRCNN on vgg16().features, a pool less, with a TwoMLPHead
//   torchvision_vgg16                ImageNet classification
//   torchvision_resnet               ImageNet classification, 18 to 101; layer4 in the backbone
//   torchvision_resnet_c4            the same with layer4 in the head; never guessed
//   caffe_vgg16                      ImageNet, py-faster-rcnn and the MATLAB release
//   caffe_zf                         the same, ZF and VGG_CNN_M_1024
const std::vector<NameMap>& KnownNameMaps();

// kNotFound, listing the maps, if the name is unknown.
absl::StatusOr<const NameMap*> FindNameMap(absl::string_view name);

// Returns the first map whose signature is in `state`. kNotFound, naming a few of
// the tensors and the maps, if none matches.
absl::StatusOr<const NameMap*> DetectNameMap(const StateDict& state);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_KNOWN_NAME_MAPS_H_
