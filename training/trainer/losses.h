// The loss function of each kind of training stage: the loss of a batch, and the logged
// numbers.
//
// Where several processes share a batch (data/loader/batch.h), each gets its part of the loss:
// that of its own images, divided by the numbers of samples of all. The parts add up.
//
// The loss is computed on the device that the network is on when its function is made; batches come
// from the CPU. The network stays there. On a GPU no loss waits for it, nor does its backward pass.
//
// Anchors, RoIs and what dropout drops are drawn by counters (ops/counter_sampler.h): the same
// picks on every device and for any number of processes.
//
// Example:
//   const LossFunction losses = MakeRpnLoss(model, features);
//   losses(batch, generator).total.backward();

#ifndef RCNN_TRAINING_TRAINER_LOSSES_H_
#define RCNN_TRAINING_TRAINER_LOSSES_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/training_network.h"
#include "rcnn/training/trainer/frozen_features.h"
#include "rcnn/training/trainer/proposal_exchange.h"

namespace rcnn::training {

struct StepLosses {
  at::Tensor total;  // scalar; undefined if this process takes no image of the batch
  // Summands of `total` by name, as in detection/losses.h.
  std::vector<std::pair<std::string, at::Tensor>> parts;
  // For the log, by name.
  std::vector<std::pair<std::string, double>> counts;
  // Likewise, scalars on a device that are read with the log.
  std::vector<std::pair<std::string, at::Tensor>> unread_counts = {};
  // Whether the network's outputs are finite, by name, as in detection/losses.h.
  std::vector<std::pair<std::string, at::Tensor>> finite = {};
  // True on another device than the CPU, where reading a number waits for the device: `total` and
  // `parts` are read with the log.
  bool read_with_log = false;
};

// Random draws follow from the generator and the ids of the images. On the CPU throws c10::Error on
// values that are not finite and on invalid ground truth; also OtherRankFailed.
using LossFunction = std::function<StepLosses(const data::Batch&, const at::Generator&)>;

// The form of sampled anchors and RoIs, which does not change the picks.
enum class Sampling {
  // On a GPU tensors of a fixed size, which wait for no device; of their own size elsewhere, and
  // for models with branches.
  kOfDevice,
  // Tensors of a fixed size: for tests on other devices.
  kFixedSize,
};

// The losses of the RPN alone (steps 1 and 3). Features come from `frozen`, or, if
// that is null, from the model, with gradients. With `network`, which is null where `frozen` is
// not, the model's network is computed by it: as graphs.
LossFunction MakeRpnLoss(std::shared_ptr<detection::FasterRcnn> model,
                         std::shared_ptr<FrozenFeatures> frozen,
                         Sampling sampling = Sampling::kOfDevice,
                         std::shared_ptr<detection::TrainingNetwork> network = nullptr);

// The losses of the head alone, on the proposals of the batch (steps 2 and 4). RoIs
// are sampled in pixels of the stored images, as in py-faster-rcnn, which matters for
// inclusive boxes. They are sampled on the CPU everywhere; `sampling` chooses only how their losses
// are computed.
LossFunction MakeFastRcnnLoss(std::shared_ptr<detection::FasterRcnn> model,
                              std::shared_ptr<FrozenFeatures> frozen,
                              Sampling sampling = Sampling::kOfDevice,
                              std::shared_ptr<detection::TrainingNetwork> network = nullptr);

// The losses of both, the head's on the RPN's own proposals.
LossFunction MakeJointLoss(std::shared_ptr<detection::FasterRcnn> model,
                           Sampling sampling = Sampling::kOfDevice,
                           std::shared_ptr<detection::TrainingNetwork> network = nullptr);

// The same where several ranks share a batch: RoIs are drawn from the proposals of all its images,
// so that the ranks exchange them, and wait for a GPU.
LossFunction MakeSharedJointLoss(std::shared_ptr<detection::FasterRcnn> model,
                                 std::shared_ptr<ProposalExchange> exchange,
                                 Sampling sampling = Sampling::kOfDevice);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_LOSSES_H_
