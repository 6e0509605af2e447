// Parsing goes line by line: a line is parsed as a document of its own, checked, and moved into
// the table, so that memory is that of the table and of one line.

#include "rcnn/data/shards/shard_index.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/git_lfs_pointer.h"
#include "rcnn/base/json_string.h"
#include "rcnn/base/shortest_number.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/class_index.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/shards/json_fields.h"
#include "simdjson.h"

namespace rcnn::data {
namespace {

namespace dom = simdjson::dom;

constexpr char kFormat[] = "rcnn shards 1";
constexpr int64_t kLargestSide = 1'000'000'000;
constexpr int64_t kMost = JsonFields::kMost;
// Written boxes lie inside their images, up to rounding.
constexpr BoxRules kInside = {configs::DROP_AND_REPORT, /*overrun_tolerance_px=*/1e-6};
// The shortest line of an image is longer.
constexpr size_t kLineBytes = 64;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, 200)), "\"");
}

FileDigest ReadDigest(JsonFields& fields, int64_t least, int64_t most) {
  FileDigest digest;
  digest.size = fields.Whole("size", least, most);
  digest.crc32c =
      static_cast<uint32_t>(fields.Whole("crc32c", 0, std::numeric_limits<uint32_t>::max()));
  return digest;
}

absl::Status CheckShardFile(const std::string& file) {
  const bool plain = !file.empty() && file != "." && file != ".." && file.find('/') == file.npos &&
                     file.find('\0') == file.npos;
  if (plain) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"file\": ", Quoted(file), " is not a file name without folders"));
}

absl::StatusOr<Shard> ReadShard(dom::element element) {
  JsonFields fields(element);
  Shard shard;
  shard.file = fields.Text("file");
  shard.digest = ReadDigest(fields, 0, kMost);
  shard.images = fields.Whole("images", 1, kMost);
  RCNN_RETURN_IF_ERROR(fields.status());
  RCNN_RETURN_IF_ERROR(CheckShardFile(shard.file));
  return shard;
}

absl::Status ReadShards(JsonFields& fields, std::vector<Shard>& shards) {
  std::set<std::string> files;
  for (const dom::element element : fields.List("shards")) {
    RCNN_ASSIGN_OR_RETURN(Shard shard, ReadShard(element), absl::StrCat("shard ", shards.size()));
    if (!files.insert(shard.file).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("shard ", shards.size(), ": ", shard.file, " is a duplicate"));
    }
    shards.push_back(std::move(shard));
  }
  return absl::OkStatus();
}

absl::Status ReadClasses(JsonFields& fields, ClassList& classes) {
  std::set<int64_t> ids;
  for (const dom::element element : fields.List("classes")) {
    JsonFields one(element);
    classes.names.push_back(one.Text("name"));
    classes.category_ids.push_back(one.Whole("id", -kMost, kMost));
    RCNN_RETURN_IF_ERROR(one.status(), absl::StrCat("class ", classes.size() - 1));
    if (!ids.insert(classes.category_ids.back()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("classes: the id ", classes.category_ids.back(), " is a duplicate"));
    }
  }
  RCNN_RETURN_IF_ERROR(fields.status());
  return ClassIndex::Create(classes.names).status();
}

absl::Status CheckFormat(const std::string& format) {
  if (format == kFormat) return absl::OkStatus();
  if (absl::StartsWith(format, "rcnn shards ")) {
    return absl::InvalidArgumentError(
        absl::StrCat("has the format ", Quoted(format), ", but this program reads \"", kFormat,
                     "\"; write the shards again, or use the program that wrote them"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"format\" is not \"", kFormat, "\": not an index of shards"));
}

absl::StatusOr<ShardHeader> ReadHeader(dom::element element) {
  JsonFields fields(element);
  const std::string format = fields.Text("format");
  RCNN_RETURN_IF_ERROR(fields.status(), "not an index of shards");
  RCNN_RETURN_IF_ERROR(CheckFormat(format));
  ShardHeader header;
  header.name = fields.Text("name");
  header.fingerprint = fields.Text("fingerprint");
  header.images = fields.Whole("images", 1, kMost);
  RCNN_RETURN_IF_ERROR(fields.status());
  RCNN_RETURN_IF_ERROR(ReadClasses(fields, header.classes));
  RCNN_RETURN_IF_ERROR(ReadShards(fields, header.shards));
  RCNN_RETURN_IF_ERROR(fields.status());
  return header;
}

absl::StatusOr<ImageInfo> ReadImageInfo(JsonFields& fields) {
  ImageInfo info;
  info.id = fields.Whole("id", -kMost, kMost);
  info.name = fields.Text("file_name");
  info.width = fields.Whole("width", 1, kLargestSide);
  info.height = fields.Whole("height", 1, kLargestSide);
  info.orientation = Orientation::kUpright;
  if (fields.Has("orientation")) {
    info.orientation = static_cast<Orientation>(fields.Whole("orientation", 1, 8));
  }
  info.exif_applied = fields.Mark("exif_applied");
  RCNN_RETURN_IF_ERROR(fields.status());
  RCNN_RETURN_IF_ERROR(CheckShardImageName(info.name));
  return info;
}

absl::StatusOr<ShardPlace> ReadPlace(JsonFields& fields, const std::vector<Shard>& shards) {
  ShardPlace place;
  place.shard = fields.Whole("shard", 0, static_cast<int64_t>(shards.size()) - 1);
  place.offset = fields.Whole("offset", 0, kMost);
  place.digest = ReadDigest(fields, 1, kMaxImageFileBytes);
  RCNN_RETURN_IF_ERROR(fields.status());
  const Shard& shard = shards[static_cast<size_t>(place.shard)];
  // By subtraction: the sum could overflow.
  if (place.offset <= shard.digest.size - place.digest.size) return place;
  return absl::InvalidArgumentError(absl::StrCat("the ", place.digest.size, " bytes at ",
                                                 place.offset, " lie beyond the end of ",
                                                 shard.file, ", which has ", shard.digest.size));
}

absl::Status CheckInside(const std::array<double, 4>& xywh, const ImageInfo& info) {
  std::array<double, 4> trimmed = xywh;
  const BoxVerdict verdict =
      CheckBox(trimmed, static_cast<double>(info.width), static_cast<double>(info.height), kInside);
  if (!verdict.defect) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("\"bbox\" is not a box inside the image of ",
                                                 info.width, " x ", info.height, ": ",
                                                 Name(*verdict.defect)));
}

class IndexParser {
 public:
  // `bytes`: the size of the index, which bounds what is allocated for a number in it.
  explicit IndexParser(size_t bytes) : most_lines_(bytes / kLineBytes + 1) {}

  absl::Status Read(absl::string_view line) {
    dom::element element;
    if (const auto error = parser_.parse(line.data(), line.size()).get(element)) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid JSON: ", simdjson::error_message(error)));
    }
    return has_header_ ? ReadImage(element) : ReadFirst(element);
  }

  absl::StatusOr<ShardIndex> Finish() && {
    if (!has_header_) return absl::InvalidArgumentError("is empty: not an index of shards");
    RCNN_RETURN_IF_ERROR(CheckCounts());
    RCNN_RETURN_IF_ERROR(CheckNames());
    RCNN_RETURN_IF_ERROR(CheckIds());
    return std::move(index_);
  }

 private:
  absl::Status ReadFirst(dom::element element) {
    RCNN_ASSIGN_OR_RETURN(index_.header, ReadHeader(element));
    has_header_ = true;
    const ClassList& classes = index_.header.classes;
    for (int64_t k = 0; k < classes.size(); ++k) labels_[classes.names[k]] = k + 1;
    index_.table.classes = classes;
    const size_t images = std::min(static_cast<size_t>(index_.header.images), most_lines_);
    index_.table.images.reserve(images);
    index_.table.first_object.reserve(images + 1);
    index_.places.reserve(images);
    counts_.resize(index_.header.shards.size());
    return absl::OkStatus();
  }

  absl::Status ReadImage(dom::element element) {
    JsonFields fields(element);
    RCNN_ASSIGN_OR_RETURN(ImageInfo info, ReadImageInfo(fields));
    RCNN_ASSIGN_OR_RETURN(ShardPlace place, ReadPlace(fields, index_.header.shards));
    const std::vector<dom::element> objects = fields.List("objects");
    RCNN_RETURN_IF_ERROR(fields.status());
    ++counts_[static_cast<size_t>(place.shard)];
    index_.places.push_back(place);
    index_.table.AddImage(info);
    for (size_t i = 0; i < objects.size(); ++i) {
      RCNN_RETURN_IF_ERROR(ReadObject(objects[i], info), absl::StrCat("object ", i));
    }
    return absl::OkStatus();
  }

  absl::Status ReadObject(dom::element element, const ImageInfo& info) {
    JsonFields fields(element);
    const std::array<double, 4> xywh = fields.Box("bbox");
    Object object = MakeObject(xywh, BoxRules());
    object.id = fields.Whole("id", -kMost, kMost);
    object.area = fields.Number("area");
    object.crowd = fields.Mark("iscrowd");
    object.difficult = fields.Mark("difficult");
    const std::string category = fields.Text("category");
    RCNN_RETURN_IF_ERROR(fields.status());
    RCNN_RETURN_IF_ERROR(CheckInside(xywh, info));
    const auto label = labels_.find(category);
    if (label == labels_.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"category\": ", Quoted(category), " is not one of the classes of the first line"));
    }
    object.label = label->second;
    index_.table.AddObject(object);
    return absl::OkStatus();
  }

  absl::Status CheckCounts() const {
    const int64_t images = index_.table.num_images();
    if (images != index_.header.images) {
      return absl::InvalidArgumentError(absl::StrCat(
          "has ", Counted(images, "image"), ", but its first line says ", index_.header.images,
          ": was it cut off? Copy it again from where it was written"));
    }
    for (size_t i = 0; i < counts_.size(); ++i) {
      const Shard& shard = index_.header.shards[i];
      if (counts_[i] == shard.images) continue;
      return absl::InvalidArgumentError(absl::StrCat("has ", Counted(counts_[i], "image"), " of ",
                                                     shard.file, ", but its first line says ",
                                                     shard.images));
    }
    return absl::OkStatus();
  }

  absl::Status CheckNames() const {
    const std::vector<ImageInfo>& images = index_.table.images;
    std::vector<const std::string*> names;
    names.reserve(images.size());
    for (const ImageInfo& info : images) names.push_back(&info.name);
    std::sort(names.begin(), names.end(), [](const auto* a, const auto* b) { return *a < *b; });
    const auto twice = std::adjacent_find(names.begin(), names.end(),
                                          [](const auto* a, const auto* b) { return *a == *b; });
    if (twice == names.end()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the image name ", Quoted(**twice), " is a duplicate"));
  }

  absl::Status CheckIds() const {
    std::vector<int64_t> ids;
    ids.reserve(index_.table.images.size());
    for (const ImageInfo& info : index_.table.images) ids.push_back(info.id);
    RCNN_RETURN_IF_ERROR(CheckUnique(std::move(ids)), "images");
    ids = {};
    for (const Object& object : index_.table.objects) ids.push_back(object.id);
    return Annotate(CheckUnique(std::move(ids)), "objects");
  }

  static absl::Status CheckUnique(std::vector<int64_t> ids) {
    std::sort(ids.begin(), ids.end());
    const auto twice = std::adjacent_find(ids.begin(), ids.end());
    if (twice == ids.end()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("the id ", *twice, " is a duplicate"));
  }

  const size_t most_lines_;
  dom::parser parser_;
  bool has_header_ = false;
  absl::flat_hash_map<std::string, int64_t> labels_;
  // Images of each shard.
  std::vector<int64_t> counts_;
  ShardIndex index_;
};

void AppendSeparated(std::string& list, const std::string& record) {
  absl::StrAppend(&list, list.empty() ? "" : ", ", record);
}

std::string DigestFields(const FileDigest& digest) {
  return absl::StrCat("\"size\": ", digest.size, ", \"crc32c\": ", digest.crc32c);
}

std::string ObjectRecord(const Object& object, const ClassList& classes) {
  const auto& [x, y, width, height] = object.xywh;
  return absl::StrCat(
      "{\"id\": ", object.id, ", \"category\": ", JsonString(classes.names[object.label - 1]),
      ", \"bbox\": [", ShortestNumber(x), ", ", ShortestNumber(y), ", ", ShortestNumber(width),
      ", ", ShortestNumber(height), "], \"area\": ", ShortestNumber(object.area),
      object.crowd ? ", \"iscrowd\": 1" : "", object.difficult ? ", \"difficult\": 1" : "", "}");
}

// The fields of the image, without braces.
std::string ImageFields(const ImageInfo& info, const std::vector<Object>& objects,
                        const ClassList& classes) {
  std::string list;
  for (const Object& object : objects) AppendSeparated(list, ObjectRecord(object, classes));
  const int orientation = static_cast<int>(info.orientation.value_or(Orientation::kUpright));
  return absl::StrCat("\"id\": ", info.id, ", \"file_name\": ", JsonString(info.name),
                      ", \"width\": ", info.width, ", \"height\": ", info.height,
                      orientation == 1 ? "" : absl::StrCat(", \"orientation\": ", orientation),
                      info.exif_applied ? ", \"exif_applied\": 1" : "", ", \"objects\": [", list,
                      "]");
}

}  // namespace

std::string ShardHeaderLine(const ShardHeader& header) {
  std::string classes;
  for (int64_t k = 0; k < header.classes.size(); ++k) {
    AppendSeparated(classes,
                    absl::StrCat("{\"id\": ", header.classes.category_ids[k],
                                 ", \"name\": ", JsonString(header.classes.names[k]), "}"));
  }
  std::string shards;
  for (const Shard& shard : header.shards) {
    AppendSeparated(shards,
                    absl::StrCat("{\"file\": ", JsonString(shard.file), ", ",
                                 DigestFields(shard.digest), ", \"images\": ", shard.images, "}"));
  }
  return absl::StrCat("{\"format\": \"", kFormat, "\", \"name\": ", JsonString(header.name),
                      ", \"fingerprint\": ", JsonString(header.fingerprint),
                      ", \"images\": ", header.images, ", \"classes\": [", classes,
                      "], \"shards\": [", shards, "]}\n");
}

std::string ShardImageLine(const ImageInfo& info, const std::vector<Object>& objects,
                           const ClassList& classes, const ShardPlace& place) {
  return absl::StrCat("{", ImageFields(info, objects, classes), ", \"shard\": ", place.shard,
                      ", \"offset\": ", place.offset, ", ", DigestFields(place.digest), "}\n");
}

std::string ShardRecord(const ImageInfo& info, const std::vector<Object>& objects,
                        const ClassList& classes) {
  return absl::StrCat("{", ImageFields(info, objects, classes), "}");
}

absl::Status CheckShardImageName(const std::string& name) {
  RCNN_RETURN_IF_ERROR(JoinInside("", name).status(), "image name");
  if (simdjson::validate_utf8(name.data(), name.size())) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("image name: ", Quoted(name), " is not UTF-8; rename the file"));
}

absl::StatusOr<ShardIndex> ParseShardIndex(absl::string_view bytes) {
  if (IsGitLfsPointer(bytes)) return absl::InvalidArgumentError(kGitLfsPointer);
  IndexParser parser(bytes.size());
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(bytes, '\n')) {
    ++number;
    if (line.empty()) continue;
    RCNN_RETURN_IF_ERROR(parser.Read(line), absl::StrCat("line ", number));
  }
  return std::move(parser).Finish();
}

absl::StatusOr<ShardIndex> ReadShardIndex(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(ShardIndex index, ParseShardIndex(file.bytes()), path);
  return index;
}

}  // namespace rcnn::data
