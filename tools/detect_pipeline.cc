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
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/exif_orientation.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/image_text.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/eval/bgr_image.h"
#include "rcnn/eval/class_colors.h"
#include "rcnn/eval/drawing.h"

namespace rcnn::tools {
namespace {

using data::Image;
using data::Orientation;
using detection::Detector;

// Images read ahead, besides those of a batch, and images being drawn. More would only cost memory.
constexpr size_t kReadAhead = 2;
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
    const std::string& name = class_names[static_cast<size_t>(object.label - 1)];
    box.label = absl::StrFormat("%s %.2f", data::DrawableName(name, object.label), object.score);
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

// An image on its way through the network.
struct Item {
  const ImageJob* job;
  absl::StatusOr<LoadedImage> loaded;
};

at::Tensor Pixels(Image& image) {
  return at::from_blob(image.data(), {image.height(), image.width(), Image::kChannels}, at::kByte);
}

using DetectionsOrError = absl::StatusOr<detection::Detections>;

class Pipeline {
 public:
  Pipeline(const Detector& detector, const std::vector<ImageJob>& jobs,
           const PipelineOptions& options)
      : detector_(detector), jobs_(jobs), options_(options) {}

  absl::StatusOr<PipelineResult> Run();

 private:
  void ReadAhead();
  // Before an image is read, prints how much memory it will take if that is more than announced so
  // far.
  void Announce(const ImageJob& job);
  // The next images, at most options_.batch. Empty after the last.
  std::vector<Item> NextBatch();
  absl::Status Process(std::vector<Item> batch);
  // The detections of each image. If the batch fails, only the images that fail alone have errors.
  std::vector<DetectionsOrError> DetectEach(const std::vector<at::Tensor>& images);
  // For the first batch that fails, prints why its images go through the network one by one.
  void SayOneByOne(size_t images, const absl::Status& why);
  // Keeps the detections of an image, and starts to draw them.
  absl::Status Keep(const ImageJob& job, LoadedImage loaded, const detection::Detections& found,
                    absl::Duration taken);
  // Waits until at most `count` images are being drawn.
  absl::Status WaitForDrawing(size_t count);

  const Detector& detector_;
  const std::vector<ImageJob>& jobs_;
  const PipelineOptions options_;
  size_t next_to_read_ = 0;
  size_t next_to_process_ = 0;
  std::deque<std::future<absl::StatusOr<LoadedImage>>> read_;
  std::deque<std::future<absl::Status>> drawn_;
  PipelineResult result_;
  int64_t objects_ = 0;
  int64_t announced_bytes_ = options_.announced_bytes;
  bool said_one_by_one_ = false;
  Progress* progress_ = nullptr;
};

void Pipeline::Announce(const ImageJob& job) {
  if (options_.quiet) return;
  const absl::StatusOr<data::ImageHeader> header = data::ReadImageHeader(job.path);
  if (!header.ok()) return;  // reported when it is read
  const auto network = detector_.EstimateBytes(header->height, header->width);
  const int64_t bytes = kPixelCopies * Image::kChannels * header->height * header->width +
                        (network.ok() ? options_.batch * *network : 0);
  if (bytes <= announced_bytes_) return;
  announced_bytes_ = bytes;
  progress_->Message(absl::StrCat(job.path, ": ", header->width, " x ", header->height,
                                  " pixels take about ", HumanBytes(bytes), " of memory; ",
                                  HumanBytes(AvailableMemoryBytes()), " are available"));
}

void Pipeline::ReadAhead() {
  const size_t ahead = kReadAhead + static_cast<size_t>(options_.batch);
  for (; read_.size() < ahead && next_to_read_ < jobs_.size(); ++next_to_read_) {
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

std::vector<Item> Pipeline::NextBatch() {
  std::vector<Item> batch;
  while (static_cast<int64_t>(batch.size()) < options_.batch && next_to_process_ < jobs_.size()) {
    ReadAhead();
    batch.push_back({&jobs_[next_to_process_++], read_.front().get()});
    read_.pop_front();
  }
  return batch;
}

void Pipeline::SayOneByOne(size_t images, const absl::Status& why) {
  if (std::exchange(said_one_by_one_, true)) return;
  progress_->Message(absl::StrCat("notice: ", images,
                                  " images cannot go through the network together, and take longer "
                                  "one by one; a smaller --batch may avoid it: ",
                                  why.message()));
}

std::vector<DetectionsOrError> Pipeline::DetectEach(const std::vector<at::Tensor>& images) {
  std::vector<DetectionsOrError> found;
  if (images.size() > 1) {
    auto together = detector_.DetectBatch(images);
    if (together.ok()) {
      for (detection::Detections& image : *together) found.emplace_back(std::move(image));
      return found;
    }
    SayOneByOne(images.size(), together.status());
  }
  for (const at::Tensor& image : images) found.push_back(detector_.Detect(image));
  return found;
}

absl::Status Pipeline::Process(std::vector<Item> batch) {
  std::vector<at::Tensor> images;
  for (Item& item : batch) {
    if (item.loaded.ok()) images.push_back(Pixels(item.loaded->image));
  }
  const absl::Time start = MonotonicNow();
  const std::vector<DetectionsOrError> found = DetectEach(images);
  const absl::Duration taken = MonotonicNow() - start;
  size_t next = 0;
  for (Item& item : batch) {
    if (!item.loaded.ok()) {
      result_.problems.emplace_back(item.loaded.status().message());
      continue;
    }
    const DetectionsOrError& of_image = found[next++];
    if (!of_image.ok()) {
      result_.problems.push_back(absl::StrCat(item.job->path, ": ", of_image.status().message()));
      continue;
    }
    RCNN_RETURN_IF_ERROR(Keep(*item.job, *std::move(item.loaded), *of_image,
                              taken / static_cast<int64_t>(images.size())));
  }
  return absl::OkStatus();
}

absl::Status Pipeline::Keep(const ImageJob& job, LoadedImage loaded,
                            const detection::Detections& found, absl::Duration taken) {
  Image& image = loaded.image;
  result_.network_time += taken;
  std::vector<FoundObject> in_result = ToObjects(found);
  if (loaded.to_result != Orientation::kUpright) {
    TurnObjects(loaded.to_result, image, in_result);
    image = data::TurnImage(std::move(image), loaded.to_result);
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
  progress_options.unit = "images";
  Progress progress("detecting", static_cast<int64_t>(jobs_.size()), 0, progress_options);
  progress_ = &progress;
  while (next_to_process_ < jobs_.size()) {
    if (ShutdownRequested()) {
      result_.stopped = true;
      break;
    }
    std::vector<Item> batch = NextBatch();
    const auto count = static_cast<int64_t>(batch.size());
    RCNN_RETURN_IF_ERROR(Process(std::move(batch)));
    progress.SetNote(absl::StrCat(
        Counted(objects_, "object"),
        result_.problems.empty() ? "" : absl::StrCat(", ", result_.problems.size(), " failed")));
    progress.Add(count);
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
