// Prints the contents and defects of a dataset, and draws a contact sheet.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "gflags/gflags.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/inspection/anchor_coverage.h"
#include "rcnn/data/inspection/contact_sheet.h"
#include "rcnn/data/inspection/dataset_statistics.h"
#include "rcnn/data/loader/sample_transform.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/sources/folder_leaks.h"
#include "rcnn/data/sources/open_folder.h"

DEFINE_string(dataset, "shapes", rcnn::data::kDatasetFlagHelp);
DEFINE_string(data_root, "", "Folder that relative paths of --dataset start from.");
DEFINE_string(split, "", "Part of a folder: train, val, test or all. Default: all.");
DEFINE_bool(follow_links, true, "Follow symbolic links that lead out of a folder.");
DEFINE_string(
    box_units, "",
    "For a folder: the unit of boxes, pixels or fractions of the image's sides. Default: that "
    "of the format.");
DEFINE_string(exif_orientation, "",
              "For a folder: whether boxes are of the images as turned by their EXIF orientation, "
              "applied or not_applied. Default: as the annotated sizes say.");
DEFINE_bool(leaks, true,
            "For a folder: look for images from one source in two of its parts, which reads every "
            "image once.");
DEFINE_bool(strict, false, "Exit with 1 if there are defects or leaks.");
DEFINE_bool(allow_defects, false,
            "Exit with 0 even if more than 5 % of the objects are lost to defects.");
DEFINE_bool(check_images, true, "COCO: read every image's header.");
DEFINE_bool(decode_images, false,
            "Decode every image; an image that cannot be decoded is a defect.");
DEFINE_int32(max_defects, 50, "Number of defects to print.");
DEFINE_string(contact_sheet, "contact_sheet.jpg",
              "JPEG or PNG file for a contact sheet of images with their boxes. Empty: none.");
DEFINE_int32(contact_sheet_images, 12,
             "Number of images on the contact sheet, spread evenly over the dataset.");
DEFINE_string(anchor_sizes, "128,256,512", "Square roots of the anchors' areas, in pixels.");
DEFINE_string(anchor_ratios, "0.5,1,2", "The anchors' heights / widths.");
DEFINE_double(anchor_stride, 16, "Distance between the centres of anchors, in pixels.");
DEFINE_bool(anchors_inside_only, false, "Only anchors that lie inside the image.");
DEFINE_int32(shortest_side, 600,
             "Resize images to this shortest side before placing anchors. 0: do not resize.");
DEFINE_int32(longest_side, 1000, "Limit on the longest side when resizing. 0: no limit.");

namespace rcnn::data {
namespace {

constexpr int kMaxOnSheet = 500;

absl::StatusOr<std::vector<double>> ParseList(const char* flag, const std::string& text) {
  std::vector<double> values;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    double value = 0;
    if (!absl::SimpleAtod(part, &value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, "=", text, ": \"", part, "\" is not a number"));
    }
    values.push_back(value);
  }
  return values;
}

absl::StatusOr<AnchorGrid> GridFromFlags() {
  AnchorGrid grid;
  RCNN_ASSIGN_OR_RETURN(grid.sizes_px, ParseList("anchor_sizes", FLAGS_anchor_sizes));
  RCNN_ASSIGN_OR_RETURN(grid.aspect_ratios, ParseList("anchor_ratios", FLAGS_anchor_ratios));
  grid.stride_px = FLAGS_anchor_stride;
  grid.inside_only = FLAGS_anchors_inside_only;
  RCNN_RETURN_IF_ERROR(CheckAnchorGrid(grid), "--anchor_sizes, --anchor_ratios, --anchor_stride");
  return grid;
}

absl::StatusOr<configs::TransformConfig> ResizeFromFlags() {
  configs::TransformConfig config;
  if (FLAGS_shortest_side != 0) {
    config.mutable_resize()->add_shortest_side_px(FLAGS_shortest_side);
    config.mutable_resize()->set_longest_side_px(FLAGS_longest_side);
  }
  RCNN_RETURN_IF_ERROR(CheckTransformConfig(config), "--shortest_side, --longest_side");
  return config;
}

absl::Status CheckFlags() {
  if (FLAGS_max_defects < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max_defects=", FLAGS_max_defects, " is negative"));
  }
  // All of them are held in memory.
  if (FLAGS_contact_sheet_images < 0 || FLAGS_contact_sheet_images > kMaxOnSheet) {
    return absl::InvalidArgumentError(
        absl::StrCat("--contact_sheet_images=", FLAGS_contact_sheet_images, " is not in [0, ",
                     kMaxOnSheet, "]"));
  }
  if (FLAGS_contact_sheet.empty() || FLAGS_contact_sheet_images == 0) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(CheckCanEncodeFor(FLAGS_contact_sheet), "--contact_sheet");
  // Reading the dataset may take long, so check first that the sheet can be written.
  return Annotate(AtomicFile::Create(FLAGS_contact_sheet).status(), "--contact_sheet");
}

// The number of objects of a class that the anchors cover, and how well.
struct Coverage {
  int64_t objects = 0;
  int64_t at_least_30 = 0;
  int64_t at_least_50 = 0;
  int64_t at_least_70 = 0;
  double sum = 0;

  void Add(double iou) {
    ++objects;
    at_least_30 += iou >= 0.3 ? 1 : 0;
    at_least_50 += iou >= 0.5 ? 1 : 0;
    at_least_70 += iou >= 0.7 ? 1 : 0;
    sum += iou;
  }

  // Without objects there is nothing to cover.
  void Print(const std::string& name) const {
    if (objects == 0) {
      absl::PrintF("%s %9d %9s %9s %9s %9s\n", name, 0, "-", "-", "-", "-");
      return;
    }
    const auto n = static_cast<double>(objects);
    absl::PrintF("%s %9d %9.3f %7.1f %% %7.1f %% %7.1f %%\n", name, objects, sum / n,
                 100 * static_cast<double>(at_least_30) / n,
                 100 * static_cast<double>(at_least_50) / n,
                 100 * static_cast<double>(at_least_70) / n);
  }
};

double FindBestIou(const Object& object, const SampleTransform& transform, const AnchorGrid& grid) {
  const auto& [x, y, width, height] = object.xywh;
  const Box box = {static_cast<float>(x * transform.scale_x),
                   static_cast<float>(y * transform.scale_y),
                   static_cast<float>((x + width) * transform.scale_x),
                   static_cast<float>((y + height) * transform.scale_y)};
  return BestAnchorIou(box, static_cast<double>(transform.width),
                       static_cast<double>(transform.height), grid);
}

absl::Status PrintCoverage(const Dataset& dataset, const configs::TransformConfig& resize,
                           const AnchorGrid& grid) {
  Coverage all;
  std::vector<Coverage> by_class(static_cast<size_t>(dataset.classes().size()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    RCNN_ASSIGN_OR_RETURN(const SampleTransform transform,
                          EvaluationTransform(resize, dataset.image(i)));
    for (const Object& object : dataset.objects(i)) {
      const double iou = FindBestIou(object, transform, grid);
      all.Add(iou);
      by_class[static_cast<size_t>(object.label - 1)].Add(iou);
    }
  }
  absl::PrintF("\nbest IoU with an anchor: sizes %s, height / width %s, stride %g, %s\n",
               FLAGS_anchor_sizes, FLAGS_anchor_ratios, FLAGS_anchor_stride,
               FLAGS_shortest_side > 0 ? absl::StrFormat("images resized to %d / %d",
                                                         FLAGS_shortest_side, FLAGS_longest_side)
                                       : "images as stored");
  const ClassColumn column(dataset.classes());
  absl::PrintF("%s %9s %9s %9s %9s %9s\n", column.Pad("class"), "objects", "mean", ">= 0.3",
               ">= 0.5", ">= 0.7");
  for (size_t k = 0; k < by_class.size(); ++k) by_class[k].Print(column.Name(k));
  all.Print(column.Pad("all"));
  return absl::OkStatus();
}

// Counts only images whose files were read.
void PrintOrientation(const Dataset& dataset) {
  int64_t with_turn = 0;
  int64_t applied = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const ImageInfo info = dataset.image(i);
    if (info.orientation.value_or(Orientation::kUpright) == Orientation::kUpright) continue;
    ++with_turn;
    applied += info.exif_applied ? 1 : 0;
  }
  absl::PrintF("EXIF turns   %d: %d applied, %d taken as stored\n", with_turn, applied,
               with_turn - applied);
}

void PrintSummary(const Dataset& dataset, const DatasetStatistics& statistics) {
  const DefectReport& defects = dataset.defects();
  const int64_t dropped_objects = defects.count(DefectAction::kObjectDropped);
  const int64_t dropped_images = defects.count(DefectAction::kImageDropped);
  absl::PrintF("images       %d (%d without objects), %d more dropped\n", statistics.images,
               statistics.images_without_objects, dropped_images);
  absl::PrintF("objects      %d: %d used, %d dropped\n", statistics.objects + dropped_objects,
               statistics.objects, dropped_objects);
  absl::PrintF("fingerprint  %s\n", dataset.fingerprint());
  PrintOrientation(dataset);
  for (const std::string& notice : defects.notices()) {
    absl::PrintF("notice       %s\n", PrintableMessage(notice));
  }
  absl::PrintF("defects      %d\n", defects.total());
  for (const auto& [kind, count] : defects.counts()) absl::PrintF("  %d %s\n", count, Name(kind));
  absl::PrintF("%s\n", defects.ToString(FLAGS_max_defects));
}

// Prints the error of each image that cannot be decoded, and returns their number. An image that
// cannot be read now is an error: it may be whole.
absl::StatusOr<int64_t> DecodeAll(const Dataset& dataset) {
  ProgressOptions options;
  options.unit = "images";
  Progress progress("decoded", dataset.size(), 0, options);
  int64_t damaged = 0;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const absl::Status status = dataset.LoadImage(i).status();
    progress.Add();
    if (IsUnreadableNow(status)) return status;
    if (status.ok()) continue;
    ++damaged;
    absl::PrintF("%s\n", PrintableMessage(status.message()));
  }
  progress.Finish();
  absl::PrintF("damaged      %d of %s\n\n", damaged, Counted(dataset.size(), "image"));
  return damaged;
}

// Whether a file of this path would be one of the folder's files.
absl::StatusOr<bool> LiesIn(const std::string& folder, const std::string& file) {
  RCNN_ASSIGN_OR_RETURN(const std::filesystem::path from, ResolvedPath(folder));
  RCNN_ASSIGN_OR_RETURN(const std::filesystem::path path, ResolvedPath(file));
  const std::filesystem::path relative = path.lexically_relative(from);
  return !relative.empty() && *relative.begin() != "..";
}

// Whether the file is one of the images, also by another path or a link.
absl::StatusOr<bool> HasImageAt(const Dataset& dataset, const std::string& file) {
  RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(file));
  if (!exists) return false;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::string path = dataset.image(i).path;
    if (path.empty()) continue;
    RCNN_ASSIGN_OR_RETURN(const bool is_same, LeadToSameFile(path, file));
    if (is_same) return true;
  }
  return false;
}

absl::Status WriteContactSheet(const Dataset& dataset) {
  const int64_t count = std::min<int64_t>(FLAGS_contact_sheet_images, dataset.size());
  if (FLAGS_contact_sheet.empty() || count == 0) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const auto named, FolderOfDatasetFlag(FLAGS_dataset, FLAGS_data_root),
                        ShownFlag("--dataset", FLAGS_dataset));
  bool lies_inside = false;
  if (named) {
    RCNN_ASSIGN_OR_RETURN(lies_inside, LiesIn(named->first, FLAGS_contact_sheet));
  }
  if (lies_inside) {
    absl::PrintF(
        "\nno contact sheet: %s would become one of the images of %s; give "
        "--contact_sheet=FILE with a place outside of it\n",
        Printable(FLAGS_contact_sheet), Printable(named->first));
    return absl::OkStatus();
  }
  RCNN_ASSIGN_OR_RETURN(const bool is_image, HasImageAt(dataset, FLAGS_contact_sheet));
  if (is_image) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--contact_sheet=", FLAGS_contact_sheet, " is an image of the dataset; give another file"));
  }
  std::vector<Sample> samples;
  for (int64_t i = 0; i < count; ++i) {
    absl::StatusOr<Sample> sample = dataset.Load(i * dataset.size() / count);
    if (IsUnreadableNow(sample.status())) return sample.status();
    if (sample.ok()) {
      samples.push_back(*std::move(sample));
    } else {
      absl::PrintF("not drawn: %s\n", PrintableMessage(sample.status().message()));
    }
  }
  RCNN_ASSIGN_OR_RETURN(const std::string bytes,
                        EncodeFor(FLAGS_contact_sheet, ContactSheet(samples, dataset.classes())));
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(FLAGS_contact_sheet, bytes).status());
  absl::PrintF("\nwrote %s\n", Printable(FLAGS_contact_sheet));
  return absl::OkStatus();
}

// Describes a folder and prints the leaks between its parts; returns the number of leaks.
absl::StatusOr<int64_t> PrintFolder(const OpenedFolder& folder) {
  absl::PrintF("%s", Describe(folder));
  if (!FLAGS_leaks || folder.parts.size() < 2) return 0;
  int64_t images = 0;
  for (const OpenedPart& part : folder.parts) images += part.images->size();
  Progress progress("images compared", images);
  RCNN_ASSIGN_OR_RETURN(
      const std::vector<std::string> leaks,
      FindLeaks(folder,
                {.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency())),
                 .cache_file = HashCacheFile(folder.folder),
                 .progress = [&] { progress.Add(); },
                 .known = [&] { progress.Skip(); }}));
  progress.Finish();
  absl::PrintF("leaks        %d\n", leaks.size());
  for (size_t i = 0; i < leaks.size() && i < static_cast<size_t>(FLAGS_max_defects); ++i) {
    absl::PrintF("  %s\n", PrintableMessage(leaks[i]));
  }
  absl::PrintF("\n");
  return static_cast<int64_t>(leaks.size());
}

// Defects that only the parts report, such as an image of a list that is not there; a dataset of
// the whole folder has no lists.
DefectReport DefectsOfPartsAlone(const OpenedFolder& folder, const DefectReport& of_all) {
  std::set<std::string> known;
  for (const Defect& defect : of_all.defects()) known.insert(defect.ToString());
  DefectReport alone;
  for (const OpenedPart& part : folder.parts) {
    alone.Append(part.images->defects().Select(
        [&](const Defect& defect) { return known.count(defect.ToString()) == 0; }));
  }
  return alone;
}

// Prints them and returns their number.
int64_t PrintDefectsOfParts(const OpenedFolder& folder, const DefectReport& of_all) {
  if (!FLAGS_split.empty() && FLAGS_split != "all") return 0;
  const DefectReport alone = DefectsOfPartsAlone(folder, of_all);
  if (alone.empty()) return 0;
  absl::PrintF("defects of single parts %d\n%s\n", alone.total(),
               alone.ToString(FLAGS_max_defects));
  return alone.total();
}

// A recognised folder is described once it is open. `others`: leaks and defects that the dataset
// itself does not report.
absl::StatusOr<std::shared_ptr<const Dataset>> OpenDataset(int64_t& others) {
  const DatasetFlagOptions options = {.part = FLAGS_split,
                                      .follow_links = FLAGS_follow_links,
                                      .box_units = FLAGS_box_units,
                                      .exif_orientation = FLAGS_exif_orientation};
  RCNN_ASSIGN_OR_RETURN(const auto named, FolderOfDatasetFlag(FLAGS_dataset, FLAGS_data_root),
                        ShownFlag("--dataset", FLAGS_dataset));
  if (!named) {
    return OpenDatasetFlag(FLAGS_dataset,
                           {.data_root = FLAGS_data_root,
                            .check_images = FLAGS_check_images,
                            .follow_links = FLAGS_follow_links},
                           options);
  }
  RCNN_ASSIGN_OR_RETURN(const OpenedFolder folder, OpenFolderOfFlag(*named, options),
                        ShownFlag("--dataset", FLAGS_dataset));
  RCNN_ASSIGN_OR_RETURN(others, PrintFolder(folder));
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset,
                        OpenPartOfFolder(FLAGS_dataset, folder, options),
                        ShownFlag("--dataset", FLAGS_dataset));
  others += PrintDefectsOfParts(folder, dataset->defects());
  return dataset;
}

absl::Status Inspect() {
  RCNN_RETURN_IF_ERROR(CheckFlags());
  RCNN_ASSIGN_OR_RETURN(AnchorGrid grid, GridFromFlags());
  RCNN_ASSIGN_OR_RETURN(configs::TransformConfig resize, ResizeFromFlags());
  int64_t others = 0;
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<const Dataset> dataset, OpenDataset(others));
  const DatasetStatistics statistics = ComputeStatistics(*dataset);
  PrintSummary(*dataset, statistics);
  int64_t damaged = 0;
  if (FLAGS_decode_images) {
    RCNN_ASSIGN_OR_RETURN(damaged, DecodeAll(*dataset));
  }
  absl::PrintF("%s", ToString(statistics, dataset->classes()));
  RCNN_RETURN_IF_ERROR(PrintCoverage(*dataset, resize, grid));
  RCNN_RETURN_IF_ERROR(WriteContactSheet(*dataset));
  RCNN_RETURN_IF_ERROR(CheckLoss(dataset->defects(), FLAGS_allow_defects), FLAGS_dataset);
  const int64_t defects = dataset->defects().total() + damaged + others;
  if (!FLAGS_strict || defects == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(FLAGS_dataset, ": ",
                   others > 0 ? Counted(defects, "defect or leak", "defects and leaks")
                              : Counted(defects, "defect"),
                   ", and --strict is set"));
}

}  // namespace
}  // namespace rcnn::data

int main(int argc, char** argv) {
  rcnn::InitProgram({.usage = "Prints the contents and defects of a dataset.\n\n"
                              "  inspect FOLDER\n"
                              "  inspect --dataset=voc:VOCdevkit/VOC2007:trainval --strict",
                     .takes_arguments = true},
                    &argc, &argv);
  if (argc > 2) {
    return rcnn::ExitCode(absl::InvalidArgumentError(
        absl::StrCat("more than one folder is given, ", argv[1], " and ", argv[2],
                     argc > 3 ? " among them" : "", "; inspect them one by one")));
  }
  if (argc == 2) FLAGS_dataset = argv[1];
  return rcnn::ExitCode(rcnn::data::Inspect());
}
