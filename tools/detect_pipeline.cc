#include "rcnn/tools/detect_pipeline.h"

#include <ATen/ops/from_blob.h>

#include <deque>
#include <filesystem>
#include <future>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/available_memory.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/exif_orientation.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/eval/bgr_image.h"
#include "rcnn/eval/class_colors.h"
#include "rcnn/eval/drawing.h"

namespace rcnn::tools {
namespace {

using data::Image;
using data::Orientation;
using detection::Detector;

// Images read ahead, and images being drawn. More would only take memory.
constexpr size_t kReadAhead = 3;
constexpr size_t kMaxDrawn = 3;

constexpr int kJpegQuality = 92;

// Copies of an image's pixels at a time: as decoded, turned, and drawn on.
constexpr int64_t kPixelCopies = 3;

std::vector<FoundObject> ToObjects(const detection::Detections& found) {
  const auto boxes = found.boxes.accessor<float, 2>();
  const auto scores = found.scores.accessor<float, 1>();
  const auto labels = found.labels.accessor<int64_t, 1>();
  std::vector<FoundObject> objects;
  for (int64_t i = 0; i < labels.size(0); ++i) {
    objects.push_back({labels[i], scores[i], boxes[i][0], boxes[i][1], boxes[i][2], boxes[i][3]});
  }
  return objects;
}

std::vector<eval::LabelledBox> BoxesToDraw(const std::vector<FoundObject>& objects,
                                           const std::vector<std::string>& class_names,
                                           double min_score) {
  std::vector<eval::LabelledBox> boxes;
  for (const FoundObject& object : objects) {
    if (!(object.score > min_score)) continue;
    eval::LabelledBox box;
    box.box = {object.x1, object.y1, object.x2 - object.x1, object.y2 - object.y1};
    box.label = absl::StrFormat("%s %.2f", class_names[static_cast<size_t>(object.label - 1)],
                                object.score);
    box.color = eval::ClassColor(object.label);
    boxes.push_back(std::move(box));
  }
  return boxes;
}

absl::Status Draw(const Image& image, const std::vector<eval::LabelledBox>& boxes,
                  const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(
      const std::string jpeg,
      eval::EncodeBgrAsJpeg(eval::DrawBoxes(eval::ToBgr(image), boxes), kJpegQuality),
      absl::StrCat(path, ": cannot be drawn"));
  RCNN_RETURN_IF_ERROR(CreateDirectories(std::filesystem::path(path).parent_path().string()));
  return WriteFileAtomically(path, jpeg).status();
}

struct LoadedImage {
  Image image;  // as the network sees it
  // The turn from the network's view to the view of the results.
  Orientation to_result = Orientation::kUpright;
};

absl::StatusOr<LoadedImage> Load(const ImageJob& job) {
  LoadedImage loaded;
  data::DecodeOptions options;
  options.apply_exif_orientation = job.network_sees_turned;
  RCNN_ASSIGN_OR_RETURN(loaded.image, data::ReadImage(job.path, options));
  if (job.network_sees_turned == job.result_is_turned) return loaded;
  RCNN_ASSIGN_OR_RETURN(const Orientation exif, data::ReadExifOrientation(job.path));
  loaded.to_result = job.result_is_turned ? exif : data::Inverse(exif);
  return loaded;
}

void TurnObjects(Orientation orientation, const Image& image, std::vector<FoundObject>& objects) {
  for (FoundObject& object : objects) {
    const auto [x, y, width, height] = data::TurnBox(
        {object.x1, object.y1, object.x2 - object.x1, object.y2 - object.y1}, orientation,
        static_cast<double>(image.width()), static_cast<double>(image.height()));
    object.x1 = x;
    object.y1 = y;
    object.x2 = x + width;
    object.y2 = y + height;
  }
}

class Pipeline {
 public:
  Pipeline(const Detector& detector, const std::vector<ImageJob>& jobs,
           const PipelineOptions& options)
      : detector_(detector), jobs_(jobs), options_(options) {}

  absl::StatusOr<PipelineResult> Run();

 private:
  void ReadAhead();
  // Prints how much memory an image will take, before it is read, if that is more than was
  // announced so far.
  void Announce(const ImageJob& job);
  absl::Status Process(const ImageJob& job, absl::StatusOr<LoadedImage> loaded);
  // Waits until at most `count` images are being drawn.
  absl::Status WaitForDrawing(size_t count);

  const Detector& detector_;
  const std::vector<ImageJob>& jobs_;
  const PipelineOptions options_;
  size_t next_to_read_ = 0;
  std::deque<std::future<absl::StatusOr<LoadedImage>>> read_;
  std::deque<std::future<absl::Status>> drawn_;
  PipelineResult result_;
  int64_t objects_ = 0;
  int64_t announced_bytes_ = options_.announced_bytes;
  Progress* progress_ = nullptr;
};

void Pipeline::Announce(const ImageJob& job) {
  if (options_.quiet) return;
  const absl::StatusOr<data::ImageHeader> header = data::ReadImageHeader(job.path);
  if (!header.ok()) return;  // reported when it is read
  const auto network = detector_.EstimateBytes(header->height, header->width);
  const int64_t bytes = kPixelCopies * Image::kChannels * header->height * header->width +
                        (network.ok() ? *network : 0);
  if (bytes <= announced_bytes_) return;
  announced_bytes_ = bytes;
  progress_->Message(absl::StrCat(job.path, ": ", header->width, " x ", header->height,
                                  " pixels take about ", HumanBytes(bytes), " of memory; ",
                                  HumanBytes(AvailableMemoryBytes()), " are available"));
}

void Pipeline::ReadAhead() {
  for (; read_.size() < kReadAhead && next_to_read_ < jobs_.size(); ++next_to_read_) {
    Announce(jobs_[next_to_read_]);
    read_.push_back(
        std::async(std::launch::async, [&job = jobs_[next_to_read_]] { return Load(job); }));
  }
}

absl::Status Pipeline::WaitForDrawing(size_t count) {
  while (drawn_.size() > count) {
    const absl::Status status = drawn_.front().get();
    drawn_.pop_front();
    RCNN_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::Status Pipeline::Process(const ImageJob& job, absl::StatusOr<LoadedImage> loaded) {
  if (!loaded.ok()) {
    result_.problems.emplace_back(loaded.status().message());
    return absl::OkStatus();
  }
  Image& image = loaded->image;
  const absl::Time start = MonotonicNow();
  const absl::StatusOr<detection::Detections> found = detector_.Detect(
      at::from_blob(image.data(), {image.height(), image.width(), Image::kChannels}, at::kByte));
  if (!found.ok()) {
    result_.problems.push_back(absl::StrCat(job.path, ": ", found.status().message()));
    return absl::OkStatus();
  }
  const absl::Duration taken = MonotonicNow() - start;
  result_.network_time += taken;
  std::vector<FoundObject> in_result = ToObjects(*found);
  if (loaded->to_result != Orientation::kUpright) {
    TurnObjects(loaded->to_result, image, in_result);
    image = data::TurnImage(std::move(image), loaded->to_result);
  }
  result_.images.push_back({job.name, job.image_id, image.width(), image.height(),
                            std::move(in_result), absl::ToDoubleSeconds(taken)});
  const std::vector<FoundObject>& objects = result_.images.back().objects;
  objects_ += static_cast<int64_t>(objects.size());
  if (job.drawn.empty()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(WaitForDrawing(kMaxDrawn - 1));
  drawn_.push_back(
      std::async(std::launch::async,
                 [image = std::move(image), path = job.drawn,
                  boxes = BoxesToDraw(objects, detector_.class_names(), options_.min_drawn_score)] {
                   return Draw(image, boxes, path);
                 }));
  return absl::OkStatus();
}

absl::StatusOr<PipelineResult> Pipeline::Run() {
  const absl::Time start = MonotonicNow();
  ProgressOptions progress_options;
  progress_options.quiet = options_.quiet;
  Progress progress("detecting", static_cast<int64_t>(jobs_.size()), 0, progress_options);
  progress_ = &progress;
  for (const ImageJob& job : jobs_) {
    if (ShutdownRequested()) {
      result_.stopped = true;
      break;
    }
    ReadAhead();
    absl::StatusOr<LoadedImage> loaded = read_.front().get();
    read_.pop_front();
    RCNN_RETURN_IF_ERROR(Process(job, std::move(loaded)));
    progress.SetNote(absl::StrCat(
        objects_, " objects",
        result_.problems.empty() ? "" : absl::StrCat(", ", result_.problems.size(), " failed")));
    progress.Add();
  }
  RCNN_RETURN_IF_ERROR(WaitForDrawing(0));
  progress.Finish();
  result_.time = MonotonicNow() - start;
  return std::move(result_);
}

}  // namespace

absl::StatusOr<PipelineResult> DetectAll(const Detector& detector,
                                         const std::vector<ImageJob>& jobs,
                                         const PipelineOptions& options) {
  return Pipeline(detector, jobs, options).Run();
}

}  // namespace rcnn::tools
