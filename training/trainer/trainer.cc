// One iteration: the gradients of batches_per_update batches (update_gradients.h); an update; the
// average; then a line of the log, a validation and a checkpoint, each if it is due.
//
// What a checkpoint holds, and what follows from the iteration alone:
//
//   the state (training_state.h)        learning rate (learning_rate.h)
//   the best weights so far             images of each batch (the loader)
//   lines of metrics.jsonl              random draws: a generator for each batch,
//                                       named by (seed, stage, batch, "samples")
//
//   event                               what follows
//   shutdown request in an iteration    the iteration ends; checkpoint; kCancelled
//   shutdown request in a validation    checkpoint with "validation due"; kCancelled
//   unreadable image, first batch       checkpoint, if there are new iterations; the error
//   unreadable image, later batch       the error
//   loss or gradient not finite         kDataLoss; the weights are those before the update
//   one of these in one of several      the same on all, before any makes the update
//   ranks
//
// Invariant: a checkpoint is written only between updates, when no gradient is accumulated. So a
// resumed run repeats whole iterations, and ends with the same bits.

#include "rcnn/training/trainer/trainer.h"

#include <cmath>
#include <exception>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/device_waits.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/training/trainer/batch_summary.h"
#include "rcnn/training/trainer/best_weights.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/metrics_log.h"
#include "rcnn/training/trainer/running_means.h"
#include "rcnn/training/trainer/solver.h"
#include "rcnn/training/trainer/training_state.h"
#include "rcnn/training/trainer/update_errors.h"
#include "rcnn/training/trainer/update_gradients.h"
#include "rcnn/training/trainer/update_report.h"
#include "rcnn/training/trainer/update_share.h"
#include "rcnn/training/trainer/weight_average.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;

UpdateOptions MakeUpdateOptions(const TrainerOptions& options) {
  return {options.stage,      options.seed,     options.training.solver().batches_per_update(),
          options.ranks,      options.exchange, options.exchanges_in_step,
          options.free_memory};
}

// Adds what is known of an update to the means, without waiting for its device.
void AddUpdate(const UpdateInfo& update, RunningMeans& means) {
  if (update.unread_norm.defined()) {
    means.AddUnread("gradient_norm", update.unread_norm);
  } else {
    means.Add("gradient_norm", update.gradient_norm);
  }
  if (update.loss_scale.defined()) means.AddUnread("loss_scale", update.loss_scale);
  means.Add("learning_rate", update.learning_rate);
}

}  // namespace

class Trainer::State {
 public:
  State(TrainerOptions options, std::shared_ptr<FasterRcnn> model, LossFunction losses)
      : options_(std::move(options)),
        device_(detection::ModuleDevice(*model)),
        checkpoints_(options_.directory, options_.key, options_.may_write),
        best_(options_.directory),
        state_(model, options_.training),
        errors_(model, options_.directory),
        gradients_(MakeUpdateOptions(options_), *model, state_.parameters(), std::move(losses),
                   errors_, state_.means()) {}

  absl::StatusOr<StateDict> Run(std::shared_ptr<const data::Dataset> dataset,
                                data::LoaderOptions loader_options);

 private:
  int64_t iterations() const { return options_.training.solver().iterations(); }
  int batches_per_update() const { return options_.training.solver().batches_per_update(); }

  bool IsAlone() const { return options_.ranks == nullptr; }
  // Whether this process writes the files.
  bool IsFirst() const { return IsAlone() || options_.ranks->rank() == 0; }

  absl::Status MayWrite() const {
    return options_.may_write ? options_.may_write() : absl::OkStatus();
  }

  // The state of rank 0, which has resumed, on all ranks; opens the log.
  absl::Status Open();
  absl::Status Resume();
  void NoticeIdleRanks() const;
  absl::Status TrainToTheEnd(std::shared_ptr<const data::Dataset> dataset,
                             data::LoaderOptions loader_options);
  absl::Status Step(data::Loader& loader);
  // The same, and logs LibTorch's backtrace of a forbidden wait, which names the operator: the
  // caller keeps only the message.
  absl::Status LoggedStep(data::Loader& loader);
  absl::Status HandleFailedUpdate(const UpdateReport& update);
  // Adds an update that has been made to what is logged.
  void AddToLine(const UpdateReport& report, const UpdateInfo& update);
  absl::Status LogLine(const data::Loader& loader);
  bool ValidationIsDue() const;
  // Whether all iterations are done, or validation has not improved for too long.
  bool IsFinished() const;
  absl::Status Validate();
  absl::Status ValidateNow();
  // Whether it is time for a checkpoint once `done` iterations are done.
  bool CheckpointIsDue(int64_t done) const;
  absl::Status CheckpointIfDue();
  absl::Status WriteCheckpoint();
  void NoteCheckpoint(int64_t iteration);
  absl::StatusOr<StateDict> Result();
  bool KeepsBest() const { return options_.training.validation().keep_best(); }
  void Notice(const std::string& text) const {
    LOG(INFO) << options_.stage << ": " << PrintableMessage(text);
    if (options_.notice) options_.notice(text);
  }

  const TrainerOptions options_;
  const c10::Device device_;
  CheckpointStore checkpoints_;
  BestWeights best_;
  TrainingState state_;
  UpdateErrors errors_;
  UpdateGradients gradients_;
  std::optional<MetricsLog> log_;  // of the process that writes the files
  int64_t last_checkpoint_ = 0;    // iteration of the last one written, or read
  absl::Time last_checkpoint_time_ = MonotonicNow();
  bool has_iterated_ = false;                   // in this run
  bool stop_ = false;                           // a shutdown was requested, of any rank
  bool checkpoint_due_ = false;                 // as rank 0 has told
  std::optional<std::string> covered_metrics_;  // of the checkpoint that the run resumes from
  // Since the last line of the metrics.
  absl::Time line_start_ = MonotonicNow();
  absl::Duration line_wait_start_;
  int64_t line_images_ = 0;
};

absl::Status Trainer::State::Resume() {
  std::vector<std::string> problems;
  RCNN_ASSIGN_OR_RETURN(const auto checkpoint, checkpoints_.ReadLatest(&problems));
  for (const std::string& problem : problems) Notice(problem);
  if (!checkpoint.has_value()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(state_.Restore(*checkpoint));
  RCNN_RETURN_IF_ERROR(MayWrite());
  RCNN_RETURN_IF_ERROR(best_.Restore(*checkpoint));
  const auto metrics = checkpoint->facts.find(kMetricsFact);
  if (metrics != checkpoint->facts.end()) covered_metrics_ = metrics->second;
  Notice(absl::StrCat("resumes at iteration ", state_.done, " of ", iterations()));
  return absl::OkStatus();
}

absl::Status Trainer::State::Open() {
  RCNN_RETURN_IF_ERROR(state_.MakeSolver());
  if (IsFirst()) RCNN_RETURN_IF_ERROR(Resume());
  if (!IsAlone()) RCNN_RETURN_IF_ERROR(state_.Share(*options_.ranks));
  NoteCheckpoint(state_.done);
  if (!IsFirst()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(MayWrite());
  RCNN_ASSIGN_OR_RETURN(MetricsLog log,
                        MetricsLog::Open(options_.directory, options_.events_directory,
                                         options_.stage, state_.done + 1, covered_metrics_));
  log_.emplace(std::move(log));
  if (!IsAlone()) NoticeIdleRanks();
  return absl::OkStatus();
}

void Trainer::State::NoticeIdleRanks() const {
  const int images = options_.training.batching().images_per_batch();
  const std::vector<int> idle =
      RanksWithoutImages(options_.ranks->size(), batches_per_update(), images);
  if (idle.empty()) return;
  Notice(absl::StrCat("an update has only ", Counted(images * batches_per_update(), "image"),
                      ": none for rank ", absl::StrJoin(idle, ", ")));
}

absl::StatusOr<StateDict> Trainer::State::Run(std::shared_ptr<const data::Dataset> dataset,
                                              data::LoaderOptions loader_options) {
  RCNN_RETURN_IF_ERROR(Open());
  if (state_.validation_due) {
    RCNN_RETURN_IF_ERROR(ValidateNow());
    RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  }
  if (!IsFinished()) {
    RCNN_RETURN_IF_ERROR(TrainToTheEnd(std::move(dataset), std::move(loader_options)));
  }
  if (state_.done < iterations()) {
    Notice(absl::StrCat("stops early at iteration ", state_.done, " of ", iterations(),
                        ": the best validation was at ", state_.best_iteration));
  }
  return Result();
}

absl::Status Trainer::State::TrainToTheEnd(std::shared_ptr<const data::Dataset> dataset,
                                           data::LoaderOptions loader_options) {
  if (options_.started) options_.started(state_.done);
  loader_options.first_iteration = state_.done * batches_per_update();
  if (!IsAlone()) {
    loader_options.share = gradients_.share().iterations;
    loader_options.contents.part = gradients_.share().part;
  }
  RCNN_ASSIGN_OR_RETURN(const auto loader,
                        data::Loader::Create(std::move(dataset), loader_options));
  if (options_.forbid_waits && !IsAlone()) {
    return absl::InvalidArgumentError("--forbid_waits: only with one process");
  }
  if (options_.forbid_waits) RCNN_RETURN_IF_ERROR(CheckWaitsCanBeForbidden(device_));
  line_start_ = last_checkpoint_time_ = MonotonicNow();
  while (!IsFinished()) RCNN_RETURN_IF_ERROR(LoggedStep(*loader));
  return absl::OkStatus();
}

absl::Status Trainer::State::LoggedStep(data::Loader& loader) {
  try {
    return Step(loader);
  } catch (const std::exception& error) {
    if (options_.forbid_waits) LOG(ERROR) << options_.stage << ": " << error.what();
    throw;
  }
}

absl::Status Trainer::State::Step(data::Loader& loader) {
  const bool checkpoint_due = IsFirst() && CheckpointIsDue(state_.done + 1);
  std::optional<NoDeviceWaits> no_waits;
  // In the first iteration libraries start.
  if (options_.forbid_waits && has_iterated_) no_waits.emplace(device_);
  RCNN_ASSIGN_OR_RETURN(const UpdateReport report,
                        gradients_.Compute(state_.solver(), loader, state_.done, checkpoint_due));
  stop_ = report.wants_stop;
  checkpoint_due_ = report.wants_checkpoint;
  if (!report.status.ok()) {
    no_waits.reset();
    return HandleFailedUpdate(report);
  }
  const absl::StatusOr<UpdateInfo> update =
      state_.solver().Update(state_.done, gradients_.AllFinite());
  if (absl::IsDataLoss(update.status())) {
    return errors_.Diverged(gradients_.Where(), update.status().message());
  }
  RCNN_RETURN_IF_ERROR(update.status());
  gradients_.NoteUpdate(*update);
  state_.average().Update();
  ++state_.done;
  AddToLine(report, *update);
  no_waits.reset();
  has_iterated_ = true;
  if (state_.done % options_.resources.log_every() == 0 || state_.done == iterations()) {
    RCNN_RETURN_IF_ERROR(LogLine(loader));
  }
  if (ValidationIsDue()) RCNN_RETURN_IF_ERROR(ValidateNow());
  return CheckpointIfDue();
}

void Trainer::State::AddToLine(const UpdateReport& report, const UpdateInfo& update) {
  double loss = 0;
  for (const BatchReport& batch : report.batches) {
    if (!IsAlone()) AddToMeans(batch, state_.means());
    line_images_ += batch.images;
    loss += batch.loss / batches_per_update();
  }
  AddUpdate(update, state_.means());
  if (options_.progress) {
    options_.progress(state_.done, std::isnan(loss) ? "" : absl::StrFormat("loss %.3f", loss));
  }
}

// Ends training. At an unreadable image the state is that of the last update.
absl::Status Trainer::State::HandleFailedUpdate(const UpdateReport& update) {
  gradients_.Restore();
  if (update.is_unreadable_image && state_.done > last_checkpoint_) {
    RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  }
  return update.status;
}

absl::Status Trainer::State::LogLine(const data::Loader& loader) {
  RCNN_RETURN_IF_ERROR(gradients_.CheckFinite());
  const absl::Duration wait = loader.stats().wait;
  const double seconds = absl::ToDoubleSeconds(MonotonicNow() - line_start_);
  NamedNumbers values = state_.means().Take();
  if (!IsFirst()) return absl::OkStatus();
  std::string text;
  for (const auto& [name, value] : values) absl::StrAppendFormat(&text, " %s %.4g", name, value);
  values.emplace_back("images_per_second", static_cast<double>(line_images_) / seconds);
  values.emplace_back("data_wait", absl::ToDoubleSeconds(wait - line_wait_start_) / seconds);
  LOG(INFO) << options_.stage << " iteration " << state_.done << ":" << text;
  line_start_ = MonotonicNow();
  line_wait_start_ = wait;
  line_images_ = 0;
  RCNN_RETURN_IF_ERROR(MayWrite());
  return log_->Log(state_.done, values);
}

bool Trainer::State::ValidationIsDue() const {
  if (!options_.validate || !options_.training.has_validation()) return false;
  return state_.done % options_.training.validation().every() == 0 || state_.done == iterations();
}

// Depends only on what a checkpoint holds, so that a resumed run ends at the same iteration.
bool Trainer::State::IsFinished() const {
  if (state_.done >= iterations()) return true;
  const configs::ValidationConfig& validation = options_.training.validation();
  return validation.patience() > 0 && state_.best_value.has_value() &&
         state_.done - state_.best_iteration >= validation.patience() * validation.every();
}

absl::Status Trainer::State::Validate() {
  const absl::Time start = MonotonicNow();
  const WeightAverage::Swap swap(state_.average());
  const StateDict weights = state_.Weights();
  RCNN_ASSIGN_OR_RETURN(const NamedNumbers found, options_.validate(weights), "validation");
  NamedNumbers values;
  for (const auto& [name, value] : found) values.emplace_back("validation_" + name, value);
  if (IsFirst()) {
    RCNN_RETURN_IF_ERROR(MayWrite());
    RCNN_RETURN_IF_ERROR(log_->Log(state_.done, values));
  }
  const auto& [metric, value] = found.front();
  Notice(absl::StrFormat("validation at iteration %d: %s %.4f", state_.done, metric, value));
  line_start_ += MonotonicNow() - start;
  // NaN (no validation objects) is never the best.
  if (!std::isfinite(value) || (state_.best_value.has_value() && value <= *state_.best_value)) {
    return absl::OkStatus();
  }
  state_.best_value = value;
  state_.best_iteration = state_.done;
  if (!KeepsBest() || !IsFirst()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(MayWrite());
  return best_.Save(weights);
}

// Validates. If it is interrupted, a checkpoint says so, and the next run validates first.
absl::Status Trainer::State::ValidateNow() {
  RCNN_RETURN_IF_ERROR(gradients_.CheckFinite());
  const absl::Status status = Validate();
  state_.validation_due = absl::IsCancelled(status);
  if (state_.validation_due) RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  return status;
}

bool Trainer::State::CheckpointIsDue(int64_t done) const {
  const configs::ResourcesConfig& resources = options_.resources;
  const bool by_count = resources.checkpoint_iterations() > 0 &&
                        done - last_checkpoint_ >= resources.checkpoint_iterations();
  const bool by_time =
      resources.checkpoint_seconds() > 0 &&
      MonotonicNow() - last_checkpoint_time_ >= absl::Seconds(resources.checkpoint_seconds());
  return by_count || by_time;
}

// Several ranks follow what they agreed on before the update.
absl::Status Trainer::State::CheckpointIfDue() {
  const bool stops = IsAlone() ? ShutdownRequested() : stop_;
  const bool is_due = IsAlone() ? CheckpointIsDue(state_.done) : checkpoint_due_;
  if (is_due || stops) RCNN_RETURN_IF_ERROR(WriteCheckpoint());
  if (!stops) return absl::OkStatus();
  return absl::CancelledError(absl::StrCat("stopped at iteration ", state_.done, " of stage ",
                                           options_.stage, "; the same command resumes there"));
}

absl::Status Trainer::State::WriteCheckpoint() {
  RCNN_RETURN_IF_ERROR(gradients_.CheckFinite());
  if (IsFirst()) {
    Checkpoint checkpoint = state_.Save();
    if (std::optional<std::string> lines = log_->LinesToKeep()) {
      checkpoint.facts[kMetricsFact] = *std::move(lines);
    }
    if (KeepsBest() && state_.best_value.has_value()) best_.AddTo(checkpoint);
    // Lines that a checkpoint covers are not written again, so they must be on disk first.
    RCNN_RETURN_IF_ERROR(log_->Sync());
    RCNN_RETURN_IF_ERROR(checkpoints_.Write(checkpoint));
  }
  NoteCheckpoint(state_.done);
  last_checkpoint_time_ = MonotonicNow();
  return IsFirst() ? checkpoints_.Prune(options_.resources.checkpoints_kept()) : absl::OkStatus();
}

void Trainer::State::NoteCheckpoint(int64_t iteration) {
  last_checkpoint_ = iteration;
  errors_.set_last_checkpoint(iteration);
}

absl::StatusOr<StateDict> Trainer::State::Result() {
  if (!IsFirst()) return StateDict();
  // Lines since the last checkpoint; those of a finished stage are not written again either.
  RCNN_RETURN_IF_ERROR(log_->Sync());
  if (KeepsBest() && state_.best_value.has_value()) {
    Notice(absl::StrCat("keeps the weights of iteration ", state_.best_iteration));
    return best_.Load();
  }
  const WeightAverage::Swap swap(state_.average());
  return state_.Weights();
}

Trainer::Trainer(TrainerOptions options, std::shared_ptr<FasterRcnn> model, LossFunction losses)
    : state_(std::make_unique<State>(std::move(options), std::move(model), std::move(losses))) {}

Trainer::~Trainer() = default;

absl::StatusOr<StateDict> Trainer::Run(std::shared_ptr<const data::Dataset> dataset,
                                       data::LoaderOptions loader) {
  return state_->Run(std::move(dataset), std::move(loader));
}

}  // namespace rcnn::training
