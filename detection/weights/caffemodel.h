// Reads the weights of Caffe's .caffemodel files, binary NetParameter messages,
// with V1 ("layers") or V2 ("layer") layers.
//
// The file is walked layer by layer and blob by blob, so that what is in memory
// is never much more than the weights, whatever the file claims. Training
// state (diff) and everything that is not a blob is skipped.
//
// Blob 0 of a layer becomes <layer>.weight, blob 1 <layer>.bias, and further ones
// <layer>.blob2, …: what they are depends on the layer. Shapes of the time when every blob had
// four dimensions are made what they mean: [1, 1, 1, N] of a bias [N], [1, 1, N, M] of an
// inner product [N, M].
//
// Prefer LoadStateDict (weights_file.h).

#ifndef RCNN_DETECTION_WEIGHTS_CAFFEMODEL_H_
#define RCNN_DETECTION_WEIGHTS_CAFFEMODEL_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::detection::weights {

// Float32 tensors, or float64 where the file has double_data. They do not point
// into `bytes`. kInvalidArgument or kDataLoss, naming the layer and blob, for a malformed
// or shortened message, a blob whose elements are not as many as its shape says,
// two layers of one name, and a net without weights; kUnimplemented for V0 and for 2 GiB
// and more, which protobuf cannot read.
absl::StatusOr<StateDict> ReadCaffeModel(absl::string_view bytes);

// True if `bytes` may begin a NetParameter.
bool MayBeCaffeModel(absl::string_view bytes);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_CAFFEMODEL_H_
