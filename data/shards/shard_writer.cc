#include "rcnn/data/shards/shard_writer.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/exif_orientation.h"
#include "rcnn/data/image/image_header.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/shards/shard_index.h"
#include "rcnn/data/shards/tar_writer.h"

namespace rcnn::data {
namespace {

constexpr char kPartFormat[] = "rcnn-shard-part-2";

absl::string_view Extension(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "jpg";
    case ImageFormat::kPng:
      return "png";
    case ImageFormat::kBmp:
      return "bmp";
    case ImageFormat::kWebp:
      return "webp";
    case ImageFormat::kGif:
      return "gif";
    case ImageFormat::kTiff:
      return "tif";
  }
  return "";
}

// The bytes of the image's file, or of a PNG for an image that is generated.
absl::StatusOr<std::string> ImageBytes(const Dataset& dataset, int64_t index) {
  absl::StatusOr<std::string> bytes = dataset.ReadImageBytes(index);
  if (!absl::IsFailedPrecondition(bytes.status())) return bytes;
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<const Image> image, dataset.LoadImage(index));
  return EncodePng(*image);
}

absl::Status CheckSize(const ImageInfo& info, const ImageHeader& header) {
  const bool swapped = info.exif_applied && SwapsSides(*info.orientation);
  const int64_t width = swapped ? header.height : header.width;
  const int64_t height = swapped ? header.width : header.height;
  if (width == info.width && height == info.height) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the image has ", width, " x ", height, " pixels, but its annotation says ",
                   info.width, " x ", info.height, "; correct it, or remove the image"));
}

// Images of one shard.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};

// A finished shard and its lines of the index.
struct FinishedShard {
  Shard shard;
  std::string lines;
};

ProgressOptions CountImages(ProgressOptions options) {
  options.unit = "images";
  return options;
}

class ShardSetWriter {
 public:
  ShardSetWriter(const Dataset& dataset, const ShardWriteOptions& options)
      : dataset_(dataset),
        options_(options),
        progress_("shards", dataset.size(), 0, CountImages(options.progress)) {}

  absl::Status Write() {
    RCNN_RETURN_IF_ERROR(Check());
    RCNN_RETURN_IF_ERROR(CreateDirectories(options_.folder));
    std::vector<Shard> shards;
    for (int64_t k = 0; k < options_.shards; ++k) {
      absl::StatusOr<Shard> shard = TakeOrWrite(k);
      if (!shard.ok()) return Interrupted(shard.status(), k);
      shards.push_back(*std::move(shard));
    }
    RCNN_RETURN_IF_ERROR(WriteIndex(std::move(shards)));
    progress_.Finish();
    return RemoveParts();
  }

 private:
  absl::Status Check() const {
    RCNN_RETURN_IF_ERROR(CheckCounts());
    RCNN_RETURN_IF_ERROR(CheckTarget());
    RCNN_RETURN_IF_ERROR(CheckNames());
    return CheckNamesAreUtf8(dataset_);
  }

  absl::Status CheckCounts() const {
    const int64_t most = std::min(kMostShards, dataset_.size());
    if (most == 0) return absl::InvalidArgumentError("the dataset has no images");
    if (options_.shards >= 1 && options_.shards <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("shards is ", options_.shards,
                                                   "; it must be in 1..", most, " for ",
                                                   Counted(dataset_.size(), "image")));
  }

  absl::Status CheckTarget() const {
    const std::string& name = options_.name;
    if (name.empty() || name[0] == '.' || absl::StrContains(name, '/')) {
      return absl::InvalidArgumentError(
          absl::StrCat("the name of the shards, \"", name, "\", is not a file name"));
    }
    RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(IndexPath()));
    if (!exists) return absl::OkStatus();
    return absl::AlreadyExistsError(absl::StrCat(
        IndexPath(), " exists; remove it and its shards, or choose another folder or name"));
  }

  absl::Status CheckNames() const {
    absl::flat_hash_set<std::string> names;
    for (int64_t i = 0; i < dataset_.size(); ++i) {
      const std::string name = dataset_.image(i).name;
      RCNN_RETURN_IF_ERROR(CheckShardImageName(name));
      if (names.insert(name).second) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("two images are named ", name,
                       "; rename one, or write the parts of a concat one by one "
                       "under different names"));
    }
    return absl::OkStatus();
  }

  // The image's member of the tar file, and its line of the index.
  absl::Status WriteImage(int64_t index, int64_t shard, TarWriter& tar, std::string& lines) const {
    ImageInfo info = dataset_.image(index);
    RCNN_ASSIGN_OR_RETURN(const std::string bytes, ImageBytes(dataset_, index), info.name);
    RCNN_ASSIGN_OR_RETURN(const ImageHeader header, ParseImageHeader(bytes), info.name);
    info.orientation = ParseExifOrientation(bytes);
    RCNN_RETURN_IF_ERROR(CheckSize(info, header), info.name);
    const std::vector<Object> objects = dataset_.objects(index);
    const ClassList& classes = dataset_.classes();
    const std::string member = absl::StrFormat("%09d", index);
    ShardPlace place;
    place.shard = shard;
    place.digest = Digest(bytes);
    RCNN_ASSIGN_OR_RETURN(place.offset,
                          tar.Add(absl::StrCat(member, ".", Extension(header.format)), bytes));
    RCNN_RETURN_IF_ERROR(tar.Add(member + ".json", ShardRecord(info, objects, classes)).status());
    absl::StrAppend(&lines, ShardImageLine(info, objects, classes, place));
    return absl::OkStatus();
  }

  absl::StatusOr<FinishedShard> WriteShard(int64_t k) {
    FinishedShard finished;
    finished.shard.file = TarName(k);
    RCNN_ASSIGN_OR_RETURN(TarWriter tar, TarWriter::Create(TarPath(k)));
    const Range range = FindRange(k);
    for (int64_t i = range.begin; i < range.end; ++i) {
      if (options_.stop && options_.stop()) return absl::CancelledError("stopped");
      RCNN_RETURN_IF_ERROR(WriteImage(i, k, tar, finished.lines));
      progress_.Add();
    }
    RCNN_ASSIGN_OR_RETURN(finished.shard.digest, tar.Commit());
    finished.shard.images = range.end - range.begin;
    return finished;
  }

  absl::StatusOr<Shard> TakeOrWrite(int64_t k) {
    RCNN_ASSIGN_OR_RETURN(std::optional<FinishedShard> known, ReadPart(k));
    if (known) {
      progress_.Skip(known->shard.images);
      part_bytes_.push_back(PartBytes(*known));
      return std::move(known->shard);
    }
    RCNN_ASSIGN_OR_RETURN(FinishedShard finished, WriteShard(k));
    const std::string part = absl::StrCat(PartLine(finished), finished.lines);
    RCNN_RETURN_IF_ERROR(WriteFileAtomically(PartPath(k), part).status());
    part_bytes_.push_back(PartBytes(finished));
    return std::move(finished.shard);
  }

  // What a part file must begin with to be of this dataset and this number of shards, and whole.
  std::string PartLine(const FinishedShard& finished) const {
    const Shard& shard = finished.shard;
    return absl::StrCat(kPartFormat, " ", dataset_.fingerprint(), " ", options_.shards, " ",
                        shard.images, " ", shard.digest.crc32c, " ", shard.digest.size, " ",
                        Digest(finished.lines).crc32c, "\n");
  }

  int64_t PartBytes(const FinishedShard& finished) const {
    return static_cast<int64_t>(PartLine(finished).size() + finished.lines.size());
  }

  // No part file of the shard is longer: the sum of lines with the longest numbers.
  int64_t MostPartBytes(int64_t k) const {
    constexpr FileDigest kLongest = {std::numeric_limits<int64_t>::max(),
                                     std::numeric_limits<uint32_t>::max()};
    const Range range = FindRange(k);
    FinishedShard finished;
    finished.shard.images = range.end - range.begin;
    finished.shard.digest = kLongest;
    // The last number of the first line is the checksum of no lines, of one digit.
    int64_t bytes = PartBytes(finished) + std::numeric_limits<uint32_t>::digits10;
    for (int64_t i = range.begin; i < range.end; ++i) {
      ImageInfo info = dataset_.image(i);
      info.orientation = Orientation::kHalfTurn;  // any but kUpright, which is not written
      const ShardPlace place = {k, kLongest.size, kLongest};
      const std::string line = ShardImageLine(info, dataset_.objects(i), dataset_.classes(), place);
      bytes += static_cast<int64_t>(line.size());
    }
    return bytes;
  }

  // nullopt for the text of another shard, or for a damaged one.
  std::optional<FinishedShard> ParsePart(int64_t k, absl::string_view text) const {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) return std::nullopt;
    const std::vector<absl::string_view> words =
        absl::StrSplit(text.substr(0, end), absl::MaxSplits(' ', 6));
    FinishedShard finished;
    finished.lines = std::string(text.substr(end + 1));
    Shard& shard = finished.shard;
    shard.file = TarName(k);
    shard.images = FindRange(k).end - FindRange(k).begin;
    if (words.size() != 7 || !absl::SimpleAtoi(words[4], &shard.digest.crc32c) ||
        !absl::SimpleAtoi(words[5], &shard.digest.size) ||
        PartLine(finished) != text.substr(0, end + 1)) {
      return std::nullopt;
    }
    return finished;
  }

  // nullopt unless the shard was finished by an earlier call, and is still whole. A file that
  // cannot be read now may be whole: that is an error.
  absl::StatusOr<std::optional<FinishedShard>> ReadPart(int64_t k) const {
    RCNN_ASSIGN_OR_RETURN(const bool is_there, PathExists(PartPath(k)));
    if (!is_there) return std::nullopt;
    const absl::StatusOr<std::string> text = ReadSmallFile(PartPath(k), MostPartBytes(k));
    if (IsDamage(text.status())) return std::nullopt;
    RCNN_RETURN_IF_ERROR(text.status());
    std::optional<FinishedShard> finished = ParsePart(k, *text);
    if (!finished) return std::nullopt;
    const absl::Status whole = CheckStoredFile(TarPath(k), finished->shard.digest);
    if (IsDamage(whole)) return std::nullopt;
    RCNN_RETURN_IF_ERROR(whole);
    return finished;
  }

  absl::Status WriteIndex(std::vector<Shard> shards) const {
    ShardHeader header;
    header.name = options_.name;
    header.fingerprint = dataset_.fingerprint();
    header.images = dataset_.size();
    header.classes = dataset_.classes();
    header.shards = std::move(shards);
    RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(IndexPath()));
    RCNN_RETURN_IF_ERROR(file.Append(ShardHeaderLine(header)));
    for (int64_t k = 0; k < options_.shards; ++k) {
      RCNN_ASSIGN_OR_RETURN(const std::string text,
                            ReadSmallFile(PartPath(k), part_bytes_[static_cast<size_t>(k)]));
      const std::optional<FinishedShard> part = ParsePart(k, text);
      if (!part) return absl::DataLossError(absl::StrCat(PartPath(k), " has been damaged"));
      RCNN_RETURN_IF_ERROR(file.Append(part->lines));
    }
    return file.Commit().status();
  }

  absl::Status RemoveParts() const {
    for (int64_t k = 0; k < options_.shards; ++k) {
      RCNN_RETURN_IF_ERROR(RemovePath(PartPath(k)));
    }
    return absl::OkStatus();
  }

  absl::Status Interrupted(const absl::Status& error, int64_t finished) const {
    return absl::Status(
        error.code(),
        absl::StrCat(error.message(), "; ", finished, " of ", Counted(options_.shards, "shard"),
                     Noun(finished, " is", " are"), " complete, and the same command resumes"));
  }

  Range FindRange(int64_t k) const {
    return {dataset_.size() * k / options_.shards, dataset_.size() * (k + 1) / options_.shards};
  }
  std::string TarName(int64_t k) const {
    return absl::StrFormat("%s-%05d-of-%05d.tar", options_.name, k, options_.shards);
  }
  std::string TarPath(int64_t k) const { return absl::StrCat(options_.folder, "/", TarName(k)); }
  std::string PartPath(int64_t k) const { return TarPath(k) + ".part"; }
  std::string IndexPath() const { return ShardIndexPath(options_.folder, options_.name); }

  const Dataset& dataset_;
  const ShardWriteOptions& options_;
  Progress progress_;
  std::vector<int64_t> part_bytes_;  // of each shard
};

}  // namespace

std::string ShardIndexPath(const std::string& folder, const std::string& name) {
  return absl::StrCat(folder, "/", name, kShardIndexExtension);
}

absl::Status WriteShards(const Dataset& dataset, const ShardWriteOptions& options) {
  return ShardSetWriter(dataset, options).Write();
}

}  // namespace rcnn::data
