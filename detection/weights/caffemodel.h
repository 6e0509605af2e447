// Reads the weights of Caffe's .caffemodel files, binary NetParameter messages,
// with V1 ("layers") or V2 ("layer") layers.
//
// The file is read layer by layer and blob by blob, so memory never much exceeds
// the size of the weights, whatever the file claims. Training state (diff) and
// everything that is not a blob is skipped.
//
// Blob 0 of a layer becomes <layer>.weight, blob 1 <layer>.bias, and further ones
// <layer>.blob2, …: their meaning depends on the layer. Old four-dimensional shapes are
// reduced: [1, 1, 1, N] of a bias to [N], [1, 1, N, M] of an inner product to [N, M].
//
// Prefer LoadStateDict (weights_file.h).

#ifndef RCNN_DETECTION_WEIGHTS_CAFFEMODEL_H_
#define RCNN_DETECTION_WEIGHTS_CAFFEMODEL_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// Float32 tensors, or float64 where the file has double_data. They do not point into
// `bytes`. kInvalidArgument or kDataLoss, naming the layer and blob, for a malformed or
// truncated message, a blob whose number of elements contradicts its shape, two layers
// with one name, and a net without weights; kResourceExhausted for more layers or blobs than
// any network of the file's size has; kUnimplemented for V0 and for 2 GiB and more, which
// protobuf cannot read.
absl::StatusOr<StateDict> ReadCaffeModel(absl::string_view bytes);

// True if `bytes` may be the start of a NetParameter.
bool MayBeCaffeModel(absl::string_view bytes);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_CAFFEMODEL_H_
