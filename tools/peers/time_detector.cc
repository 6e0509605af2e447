// Times an rcnn detector: inference, or a training step, with its parts, as one
// line of JSON. With --device: inference as a whole, on any device.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <gflags/gflags.h>
#include <sys/resource.h>
#include <torch/version.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/program.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/solver.pb.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/detection/borrowed_weights.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/detections.h"
#include "rcnn/detection/detector.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/layer_calls.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/unfilled_weights.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/tools/detect_model.h"
#include "rcnn/tools/layer_times.h"
#include "rcnn/tools/time_detector_flags.h"
#include "rcnn/training/trainer/solver.h"

namespace rcnn::detection {
namespace {

// As model_directory.cc reads them.
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

// Milliseconds of each run, by part.
using Parts = std::map<std::string, std::vector<double>>;

class Clock {
 public:
  explicit Clock(Parts& parts) : parts_(parts) {}
  // Records the time since the last call as `part`.
  void Lap(const std::string& part) {
    const auto now = std::chrono::steady_clock::now();
    parts_[part].push_back(std::chrono::duration<double, std::milli>(now - last_).count());
    last_ = now;
  }

 private:
  Parts& parts_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

struct Job {
  configs::DetectorConfig config;
  std::shared_ptr<FasterRcnn> model;
  std::vector<at::Tensor> images;
  std::optional<training::Solver> solver;
  int64_t updates = 0;
  std::vector<Detections> found;  // by the last inference
};

absl::StatusOr<InputBatch> Input(const Job& job) {
  return MakeInputBatch(job.images, job.config.input(), job.config.model().normalization());
}

absl::Status Infer(Job& job, Parts& parts) {
  at::NoGradGuard no_grad;
  const FasterRcnn& model = *job.model;
  Clock whole(parts), clock(parts);
  RCNN_ASSIGN_OR_RETURN(InputBatch batch, Input(job));
  clock.Lap("transform");
  const FeatureMaps maps = model.Features(BatchMap(std::move(batch.images))).parts.front();
  clock.Lap("backbone");
  const at::Tensor rois =
      model.rpn()
          ->Propose(model.rpn()->Forward(maps.levels, maps.height, maps.width), batch.sizes)
          .rois;
  clock.Lap("rpn");
  job.found = model.Detect(maps, rois, batch.sizes, batch.original_sizes);
  clock.Lap("head");
  whole.Lap("total");
  return absl::OkStatus();
}

// SGD with momentum, by the formula of torch.optim.SGD.
absl::StatusOr<training::Solver> MakeSolver(const FasterRcnn& model) {
  configs::SolverConfig config;
  config.mutable_sgd()->set_momentum(0.9);
  config.set_learning_rate(1e-6);
  config.set_weight_decay(0);
  config.set_iterations(FLAGS_repeats + 1);
  std::vector<training::TrainedParameter> parameters;
  for (auto& [name, value] : TrainableParameters(model)) parameters.push_back({name, value});
  return training::Solver::Create(config, std::move(parameters));
}

// Two objects, an eighth to a half of the image wide, and two that are smaller.
GroundTruths Truths(const InputBatch& batch) {
  const at::Tensor shares = at::tensor({.125f, .15f, .5f, .75f, .6f, .3f, .9f, .6f,  //
                                        .1f, .8f, .2f, .95f, .7f, .1f, .8f, .2f})
                                .view({4, 4});
  GroundTruths truths;
  for (const ops::InputSize& input : batch.sizes) {
    const at::Tensor size = at::tensor({input.width, input.height}).repeat({2});
    truths.push_back({shares * size, at::tensor({1, 2, 1, 2}, at::kLong), at::Tensor()});
  }
  return truths;
}

// Of training with that `training.precision`.
at::Tensor Loss(const Job& job, const InputBatch& batch) {
  std::optional<AutocastScope> scope;
  if (FLAGS_precision == PrecisionName(Precision::kBfloat16)) {
    scope.emplace(c10::DeviceType::CPU, c10::ScalarType::BFloat16);
  }
  return job.model
      ->ComputeLosses(batch.images, {batch.sizes, Truths(batch)}, at::detail::createCPUGenerator(1))
      .Total();
}

absl::Status Train(Job& job, Parts& parts) {
  Clock whole(parts), clock(parts);
  RCNN_ASSIGN_OR_RETURN(const InputBatch batch, Input(job));
  clock.Lap("transform");
  const at::Tensor loss = Loss(job, batch);
  clock.Lap("forward");
  loss.backward();
  clock.Lap("backward");
  RCNN_RETURN_IF_ERROR(job.solver->Update(job.updates++).status());
  clock.Lap("step");
  whole.Lap("total");
  return absl::OkStatus();
}

// `fields`: further ones, as JSON.
void Print(const Parts& parts, std::vector<std::string> fields = {}) {
  for (const auto& [part, ms] : parts) {
    const std::vector<double> timed(ms.begin() + 1, ms.end());
    fields.push_back(absl::StrCat("\"", part, "\": [", absl::StrJoin(timed, ", "), "]"));
  }
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  std::cout << "{" << absl::StrJoin(fields, ", ") << ", \"peak_mb\": " << usage.ru_maxrss / 1024
            << "}" << std::endl;
}

// What other programs' detections of the first image are compared by.
std::vector<std::string> Summary(const std::vector<Detections>& images) {
  std::vector<std::string> fields = {absl::StrCat("\"libtorch\": \"", TORCH_VERSION, "\"")};
  if (images.empty()) return fields;
  const at::Tensor& scores = images.front().scores;
  fields.push_back(absl::StrCat("\"detections\": ", scores.size(0)));
  fields.push_back(absl::StrCat("\"score_sum\": ", scores.sum().item<double>()));
  return fields;
}

// The same for detections with the same bits.
uint32_t Digest(const std::vector<Detections>& images) {
  uint32_t crc = 0;
  for (const Detections& image : images) {
    for (const at::Tensor& tensor : {image.boxes, image.scores, image.labels}) {
      const at::Tensor dense = tensor.contiguous();
      crc = Crc32c({static_cast<const char*>(dense.data_ptr()), dense.nbytes()}, crc);
    }
  }
  return crc;
}

absl::Status FillModel(const FasterRcnn& model) {
  // They may be those of a run.
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(FLAGS_weights), "--weights");
  RCNN_ASSIGN_OR_RETURN(const weights::StateDict state, weights::LoadStateDict(FLAGS_weights));
  RCNN_ASSIGN_OR_RETURN(const weights::NameMap* map, weights::FindNameMap(FLAGS_name_map));
  weights::ImportOptions options;
  options.exact = true;
  options.source = FLAGS_weights;
  // As a Detector does it; that on another device gets a copy.
  const bool is_prepared = !FLAGS_train && FLAGS_device.empty();
  if (is_prepared) options.borrow = BorrowWeights(model, state.PageReleaser());
  return weights::ImportStateDict(state, *map, options, weights::ModuleState(model)).status();
}

absl::StatusOr<at::Tensor> Image() {
  if (FLAGS_image.empty()) {
    const size_t x = FLAGS_size.find('x');
    const int64_t height = std::atoll(FLAGS_size.c_str());
    const int64_t width = x == std::string::npos ? 0 : std::atoll(FLAGS_size.c_str() + x + 1);
    if (height < 1 || width < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--size is '", FLAGS_size, "', not HEIGHTxWIDTH, as in 600x800"));
    }
    return at::randint(256, {height, width, 3}, at::detail::createCPUGenerator(3)).to(at::kByte);
  }
  RCNN_ASSIGN_OR_RETURN(const weights::StateDict file, weights::LoadStateDict(FLAGS_image));
  const at::Tensor* image = file.Find("image");
  if (image == nullptr) {
    return absl::NotFoundError(absl::StrCat(FLAGS_image, " has no `image`"));
  }
  return *image;
}

absl::StatusOr<Precision> FindPrecision() {
  RCNN_ASSIGN_OR_RETURN(const Precision wanted, ParsePrecision(FLAGS_precision));
  if (SupportedPrecision(wanted) == wanted) return wanted;
  return absl::FailedPreconditionError(
      absl::StrCat("--precision=", FLAGS_precision, ": the level of instructions, ",
                   InstructionLevelName(CurrentInstructionLevel()), ", has none for it"));
}

// FillModel fills every tensor or fails, and ResetParameters every one that is unfilled. So random
// weights are in the same kind of memory as those of a file, and leave no holes when they are
// dropped.
absl::StatusOr<std::shared_ptr<FasterRcnn>> CreateModel(const configs::DetectorConfig& config) {
  const UnfilledWeights unfilled;
  return FasterRcnn::Create(config.model(), config.class_name_size());
}

absl::StatusOr<Job> Prepare() {
  Job job;
  if (FLAGS_config.empty()) {
    return absl::InvalidArgumentError(
        "--config is missing: a DetectorConfig, such as the detector.textproto that training "
        "leaves");
  }
  if (FLAGS_layers && FLAGS_train) {
    return absl::InvalidArgumentError("--layers is for inference, not for --train");
  }
  if (FLAGS_batch < 1 || FLAGS_repeats < 1) {
    return absl::InvalidArgumentError("--batch and --repeats must be >= 1");
  }
  RCNN_RETURN_IF_ERROR(CheckRecordedResult(FLAGS_config), "--config");
  RCNN_ASSIGN_OR_RETURN(const std::string text,
                        ReadFile(FLAGS_config, {.max_bytes = kMaxConfigBytes}));
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, FLAGS_config, &job.config));
  RCNN_ASSIGN_OR_RETURN(job.model, CreateModel(job.config));
  if (FLAGS_weights.empty()) {
    ResetParameters(*job.model, at::detail::createCPUGenerator(1));
  } else {
    RCNN_RETURN_IF_ERROR(FillModel(*job.model));
  }
  RCNN_ASSIGN_OR_RETURN(const at::Tensor image, Image());
  job.images.assign(static_cast<size_t>(FLAGS_batch), image);
  job.model->train(FLAGS_train);
  if (FLAGS_train) {
    RCNN_ASSIGN_OR_RETURN(training::Solver solver, MakeSolver(*job.model));
    job.solver.emplace(std::move(solver));
  }
  if (!FLAGS_device.empty()) return job;
  RCNN_ASSIGN_OR_RETURN(const Precision precision, FindPrecision());
  if (!FLAGS_train) PrepareForInference(*job.model, {precision, /*drop_weights=*/true});
  return job;
}

// Detection as `detect` does it, with the copies to the device and back. The detections are on the
// CPU, so that nothing of a call is left to do when it returns.
absl::Status DetectOnDevice(const Job& job) {
  Parts parts;
  DetectorOptions options;
  options.max_graphs = FLAGS_inference_graphs;
  RCNN_ASSIGN_OR_RETURN(options.precision, tools::ReadPrecision(FLAGS_precision));
  RCNN_ASSIGN_OR_RETURN(options.device, tools::FindDevice(FLAGS_device));
  RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<Detector> detector,
                        Detector::Create(job.config, SavedState(*job.model), options));
  std::vector<Detections> found;
  for (int i = 0; i <= FLAGS_repeats; ++i) {
    Clock clock(parts);
    RCNN_ASSIGN_OR_RETURN(found, detector->DetectBatch(job.images));
    clock.Lap("total");
  }
  Print(parts, {absl::StrCat("\"detections\": ", found.front().labels.size(0)),
                absl::StrCat("\"digest\": ", Digest(found))});
  return absl::OkStatus();
}

absl::Status PrintLayers(const Job& job) {
  const at::NoGradGuard no_grad;
  RCNN_ASSIGN_OR_RETURN(const Precision precision, FindPrecision());
  RCNN_ASSIGN_OR_RETURN(InputBatch batch, Input(job));
  const LayerCalls calls;
  job.model->Detect(BatchMap(std::move(batch.images)), batch.sizes, batch.original_sizes);
  std::cout << tools::LayerTimesJson(tools::TimeLayers(*job.model, calls.calls(), FLAGS_repeats),
                                     tools::MeasureMachine(FLAGS_repeats, precision))
            << std::endl;
  return absl::OkStatus();
}

absl::Status Run() {
  if (FLAGS_train && !FLAGS_device.empty()) {
    return absl::InvalidArgumentError("--device is for inference; --train computes on the CPU");
  }
  RCNN_ASSIGN_OR_RETURN(Job job, Prepare());
  if (FLAGS_layers) return PrintLayers(job);
  if (!FLAGS_device.empty()) return DetectOnDevice(job);
  Parts parts;
  for (int i = 0; i <= FLAGS_repeats; ++i) {
    RCNN_RETURN_IF_ERROR(FLAGS_train ? Train(job, parts) : Infer(job, parts));
  }
  Print(parts, Summary(job.found));
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::detection

int main(int argc, char** argv) {
  rcnn::InitRuntime(rcnn::DescribeProgram(), &argc, &argv);
  return rcnn::ExitCode(rcnn::detection::Run());
}
