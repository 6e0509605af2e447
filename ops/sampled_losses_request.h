// The checked arguments and the results of the operators behind sampled_losses.h, for its kernels.
//
// Internal to ops.

#ifndef RCNN_OPS_SAMPLED_LOSSES_REQUEST_H_
#define RCNN_OPS_SAMPLED_LOSSES_REQUEST_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <tuple>

#include "rcnn/ops/kernels/sampled_losses.h"

namespace rcnn::ops {

// 0: the number of rows that count.
struct SampledLossFactors {
  double class_normalizer = 0;
  double box_normalizer = 0;
  double box_weight = 1;
  double beta = 1;
};

// Contiguous tensors; they and the results must outlive a launch.
struct SampledRpnRequest {
  at::Tensor logits, deltas, positive, positive_count, target_deltas, negative, negative_count;
  SampledLossFactors factors;

  int64_t rows() const { return logits.size(0) * (positive.size(1) + negative.size(1)); }
};
struct SampledFastRcnnRequest {
  at::Tensor class_logits, deltas, labels, target_deltas;
  SampledLossFactors factors;

  int64_t rows() const { return class_logits.size(0); }
};

// The arguments of the schemas of "_sampled_rpn_loss" and "_sampled_fast_rcnn_loss", in their
// order. Throws c10::Error as sampled_losses.h says.
SampledRpnRequest ReadSampledRpnRequest(
    const at::Tensor& logits, const at::Tensor& deltas, const at::Tensor& positive,
    const at::Tensor& positive_count, const at::Tensor& target_deltas, const at::Tensor& negative,
    const at::Tensor& negative_count, c10::optional<double> objectness_normalizer,
    c10::optional<double> box_normalizer, double box_weight, double beta);
SampledFastRcnnRequest ReadSampledFastRcnnRequest(const at::Tensor& class_logits,
                                                  const at::Tensor& deltas,
                                                  const at::Tensor& labels,
                                                  const at::Tensor& target_deltas,
                                                  c10::optional<double> normalizer,
                                                  double box_weight, double beta);

struct SampledLossResults {
  at::Tensor losses;       // [2], class and box loss
  at::Tensor grad_logits;  // as logits
  at::Tensor grad_deltas;  // as deltas
  at::Tensor scratch;      // [3 rows + 3]

  std::tuple<at::Tensor, at::Tensor, at::Tensor> ToTuple() const {
    return {losses, grad_logits, grad_deltas};
  }
};

// For contiguous logits and deltas; not filled.
SampledLossResults AllocateSampledLoss(const at::Tensor& logits, const at::Tensor& deltas,
                                       int64_t rows);

// T is the dtype of the request.
template <typename T>
LossSums<T> MakeLossSums(const SampledLossFactors& factors, int64_t rows,
                         const SampledLossResults& results) {
  T* const scratch = results.scratch.data_ptr<T>();
  return {scratch,
          scratch + 3 * rows,
          results.losses.data_ptr<T>(),
          static_cast<T>(factors.class_normalizer),
          static_cast<T>(factors.box_normalizer),
          static_cast<T>(factors.box_weight),
          static_cast<T>(factors.beta)};
}

template <typename T>
RpnLossWork<T> MakeRpnLossWork(const SampledRpnRequest& request,
                               const SampledLossResults& results) {
  RpnLossWork<T> work{};
  work.images = request.logits.size(0);
  work.anchors = request.logits.size(1);
  work.logits = request.logits.data_ptr<T>();
  work.deltas = request.deltas.data_ptr<T>();
  work.positive_capacity = request.positive.size(1);
  work.positive = request.positive.data_ptr<int64_t>();
  work.positive_count = request.positive_count.data_ptr<int64_t>();
  work.target_deltas = request.target_deltas.data_ptr<T>();
  work.negative_capacity = request.negative.size(1);
  work.negative = request.negative.data_ptr<int64_t>();
  work.negative_count = request.negative_count.data_ptr<int64_t>();
  work.sums = MakeLossSums<T>(request.factors, request.rows(), results);
  work.grad_logits = results.grad_logits.data_ptr<T>();
  work.grad_deltas = results.grad_deltas.data_ptr<T>();
  return work;
}

template <typename T>
HeadLossWork<T> MakeHeadLossWork(const SampledFastRcnnRequest& request,
                                 const SampledLossResults& results) {
  HeadLossWork<T> work{};
  work.rois = request.class_logits.size(0);
  work.classes = request.class_logits.size(1);
  work.logits = request.class_logits.data_ptr<T>();
  work.delta_groups = request.deltas.size(1) / 4;
  work.deltas = request.deltas.data_ptr<T>();
  work.labels = request.labels.data_ptr<int64_t>();
  work.target_deltas = request.target_deltas.data_ptr<T>();
  work.sums = MakeLossSums<T>(request.factors, request.rows(), results);
  work.grad_logits = results.grad_logits.data_ptr<T>();
  work.grad_deltas = results.grad_deltas.data_ptr<T>();
  return work;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_SAMPLED_LOSSES_REQUEST_H_
