//   event                               what Compute returns
//   unreadable image                    its error; of one process alone in a later batch than the
//                                       first not as an unreadable image, as the running statistics
//                                       of batch norms already include a part of the update
//   loss not finite                     kDataLoss
//   memory runs out                     nothing, if free_memory frees some and this is the first
//                                       batch: it is computed once more; else kResourceExhausted
//   one of these in one of several      the same on all
//   ranks
//
// The gradients of a rank are added to those of the others while it computes them, before they know
// whether all can. One with an error takes part in the sums, of which then nobody makes use.

#include "rcnn/training/trainer/update_gradients.h"

#include <ATen/ATen.h>

#include <cmath>
#include <exception>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "rcnn/base/device_waits.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/trainer/batch_summary.h"
#include "rcnn/training/trainer/unreadable_image.h"

namespace rcnn::training {
namespace {

UpdateShare ChooseShare(const UpdateOptions& options) {
  if (options.ranks != nullptr) {
    return ShareOfUpdate(options.ranks->rank(), options.ranks->size(), options.batches);
  }
  return ShareOfUpdate(/*rank=*/0, /*ranks=*/1, options.batches);
}

std::string NameIteration(int64_t iteration, const std::string& images) {
  return absl::StrCat("iteration ", iteration, " on the images ", images);
}

}  // namespace

UpdateGradients::UpdateGradients(const UpdateOptions& options, const detection::FasterRcnn& model,
                                 const std::vector<TrainedParameter>& parameters,
                                 LossFunction losses, const UpdateErrors& errors,
                                 RunningMeans& means)
    : options_(options),
      share_(ChooseShare(options)),
      losses_(std::move(losses)),
      parameters_(parameters),
      errors_(errors),
      means_(means),
      upload_(detection::ModuleDevice(model)),
      statistics_(model) {
  if (!IsAlone()) buckets_.emplace(options_.ranks, parameters_);
}

absl::StatusOr<UpdateReport> UpdateGradients::Compute(const Solver& solver, data::Loader& loader,
                                                      int64_t done, bool wants_checkpoint) {
  done_ = done;
  UpdateReport mine = ComputeOwn(solver, loader);
  mine.wants_checkpoint = wants_checkpoint;
  return SumOverRanks(std::move(mine));
}

void UpdateGradients::Restore() {
  if (!IsAlone()) statistics_.Restore();
}

std::string UpdateGradients::Where() const { return NameIteration(done_ + 1, images_); }

void UpdateGradients::NoteUpdate(const UpdateInfo& update) {
  if (update.finite.defined()) flag_.Add("gradient", update.finite, done_ + 1);
}

absl::Status UpdateGradients::CheckFinite() {
  const std::optional<NonFiniteFlag::Fault> fault = flag_.Read();
  if (!fault.has_value()) {
    unread_images_.clear();
    return absl::OkStatus();
  }
  return errors_.Diverged(
      NameIteration(fault->iteration, unread_images_[fault->iteration]),
      absl::StrCat("not finite on the device: ", absl::StrJoin(fault->names, ", ")));
}

UpdateReport UpdateGradients::ComputeOwn(const Solver& solver, data::Loader& loader) {
  images_.clear();
  if (!IsAlone()) statistics_.Keep();
  UpdateReport report;
  const int64_t first = done_ * options_.batches;
  const data::IterationShare& own = share_.iterations;
  for (int64_t i = own.begin; i < own.end && report.status.ok(); ++i) {
    const absl::StatusOr<data::Batch> batch = loader.Next();
    if (batch.ok()) {
      report.status = OthersCanStep(batch.status(), report);
      if (report.status.ok()) report.status = AddGradient(solver, *batch, first + i, report);
      continue;
    }
    OthersCanStep(batch.status(), report).IgnoreError();
    report.status = UnreadableImageError(batch.status());
    report.is_unreadable_image = i == own.begin || !IsAlone();
    AbandonExchange();
  }
  unread_images_[done_ + 1] = images_;
  // Of one process alone the flag is read with the log; ranks must not differ in what they update.
  if (!IsAlone() && report.status.ok()) report.status = CheckFinite();
  return report;
}

// Ranks that exchange values inside a step have to agree before it that all can make it.
absl::Status UpdateGradients::OthersCanStep(const absl::Status& loaded, UpdateReport& report) {
  if (!options_.exchanges_in_step) return absl::OkStatus();
  const absl::Status agreed = Agree(*options_.ranks, loaded);
  if (agreed.ok()) return agreed;
  report.is_secondary = loaded.ok();
  return absl::InternalError("stopped because of another rank");
}

void UpdateGradients::AbandonExchange() {
  if (options_.exchange == nullptr) return;
  try {
    options_.exchange->Abandon();
  } catch (const OtherRankFailed& error) {
    lost_ranks_ = error.connection();
  }
}

absl::StatusOr<UpdateReport> UpdateGradients::SumOverRanks(UpdateReport mine) {
  if (IsAlone()) return mine;
  RCNN_RETURN_IF_ERROR(lost_ranks_);
  RCNN_RETURN_IF_ERROR(buckets_->Finish());
  mine.has_gradient = WhichHaveGradients(parameters_);
  mine.wants_stop = ShutdownRequested();
  RCNN_ASSIGN_OR_RETURN(UpdateReport all, ShareReport(*options_.ranks, mine));
  images_ = absl::StrJoin(all.batches, ", ", [](std::string* out, const BatchReport& batch) {
    absl::StrAppend(out, batch.text);
  });
  unread_images_[done_ + 1] = images_;
  if (!all.status.ok()) return all;
  RCNN_RETURN_IF_ERROR(buckets_->Store(all.has_gradient));
  RCNN_RETURN_IF_ERROR(statistics_.Merge(*options_.ranks, share_));
  return all;
}

absl::Status UpdateGradients::AddGradient(const Solver& solver, const data::Batch& batch,
                                          int64_t number, UpdateReport& report) {
  absl::StrAppend(&images_, images_.empty() ? "" : ", ", ListImages(batch));
  const absl::Status status = TryGradient(solver, batch, number, report);
  // The others wait inside the step.
  if (!status.ok() && options_.exchanges_in_step && lost_ranks_.ok()) lost_ranks_ = status;
  return status;
}

bool UpdateGradients::CanTryAgain(const std::exception& error, bool is_first) const {
  return options_.free_memory && is_first && IsOutOfMemory(error) && options_.free_memory();
}

void UpdateGradients::ClearGradients() {
  for (const TrainedParameter& parameter : parameters_) parameter.value.mutable_grad().reset();
}

absl::Status UpdateGradients::TryGradient(const Solver& solver, const data::Batch& batch,
                                          int64_t number, UpdateReport& report) {
  const bool is_first = number == done_ * options_.batches + share_.iterations.begin;
  try {
    return ComputeGradient(solver, batch, number, report);
  } catch (const OtherRankFailed& error) {
    report.is_secondary = true;
    lost_ranks_ = error.connection();
    return absl::InternalError("stopped because of another rank");
  } catch (const std::exception& error) {
    // With LibTorch's backtrace, which names the operator that waits.
    if (DeviceWaitsAreForbidden()) LOG(ERROR) << error.what();
    const absl::Status status = ExceptionStatus(error, absl::StatusCode::kInternal);
    if (IsNotFinite(error)) return Diverged(status.message());
    if (!CanTryAgain(error, is_first)) {
      return errors_.Failed(Where(), status, batch.images.sizes());
    }
  }
  ClearGradients();
  return TryGradient(solver, batch, number, report);
}

absl::Status UpdateGradients::ComputeGradient(const Solver& solver, const data::Batch& batch,
                                              int64_t number, UpdateReport& report) {
  const StepLosses step = losses_(
      upload_.Upload(batch), MakeGenerator({options_.seed, options_.stage, number, "samples"}));
  RCNN_ASSIGN_OR_RETURN(const double loss, ReadLoss(step));
  // Ranks that exchange values inside a step do so in the backward pass too.
  const bool is_last = number == done_ * options_.batches + share_.iterations.end - 1;
  if (is_last && !IsAlone() && !options_.exchanges_in_step) buckets_->Start();
  if (step.total.defined()) solver.ScaleLoss(step.total).backward();
  const bool is_read = step.total.defined() && !(step.read_with_log && IsAlone());
  const std::string losses = is_read ? absl::StrCat(" (", DescribeLosses(step), ")") : "";
  absl::StrAppend(&images_, losses);
  report.batches.push_back(IsAlone() ? BatchReport{number, batch.images.size(0), loss}
                                     : Summarize(batch, step, number, loss));
  if (IsAlone()) AddToMeans(step, means_);
  return absl::OkStatus();
}

absl::StatusOr<double> UpdateGradients::ReadLoss(const StepLosses& step) {
  for (const auto& [name, finite] : step.finite) flag_.Add(name, finite, done_ + 1);
  if (step.read_with_log && IsAlone()) {
    for (const auto& [name, part] : step.parts) {
      flag_.Add(absl::StrCat("loss_", name), detection::AllFinite(part), done_ + 1);
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
  const double loss = step.total.defined() ? step.total.item<double>() : 0;
  if (std::isfinite(loss)) return loss;
  return Diverged(absl::StrCat("the loss is not finite: ", DescribeLosses(step)));
}

}  // namespace rcnn::training
