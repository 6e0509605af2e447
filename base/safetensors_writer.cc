#include "rcnn/base/safetensors_writer.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "simdjson.h"

namespace rcnn {
namespace {

constexpr size_t kLengthBytes = 8;

// Appends `text` as a JSON string. kInvalidArgument if it is not UTF-8.
absl::Status AppendString(absl::string_view text, std::string& json) {
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", absl::Utf8SafeCHexEscape(text), "\" is not UTF-8"));
  }
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&json, "\\u%04x", c);
    } else {
      json += c;
    }
  }
  json += '"';
  return absl::OkStatus();
}

absl::Status AppendMetadata(const SafetensorsMetadata& metadata, std::string& json) {
  json += "\"__metadata__\":{";
  bool first = true;
  for (const auto& [key, value] : metadata) {
    if (!first) json += ',';
    first = false;
    RCNN_RETURN_IF_ERROR(AppendString(key, json), "metadata key");
    json += ':';
    RCNN_RETURN_IF_ERROR(AppendString(value, json), absl::StrCat("metadata \"", key, "\""));
  }
  json += '}';
  return absl::OkStatus();
}

// Appends the entry of one array, whose bytes start at `begin`, and moves `begin`
// past them.
absl::Status AppendEntry(const SafetensorsSpec& spec, int64_t size, int64_t& begin,
                         std::string& json) {
  int64_t end = 0;
  if (__builtin_add_overflow(begin, size, &end)) {
    return absl::InvalidArgumentError(
        absl::StrCat("array \"", spec.name, "\": the file exceeds 2^63 bytes"));
  }
  if (static_cast<int64_t>(spec.shape.size()) > kMaxSafetensorsSizes) {
    return absl::InvalidArgumentError(absl::StrCat("array \"", spec.name, "\" has ",
                                                   spec.shape.size(), " sizes; at most ",
                                                   kMaxSafetensorsSizes, " can be read"));
  }
  if (json.size() > 1) json += ',';
  RCNN_RETURN_IF_ERROR(AppendString(spec.name, json), "name of an array");
  absl::StrAppend(&json, ":{\"dtype\":\"", SafetensorsTypeName(spec.type), "\",\"shape\":[",
                  absl::StrJoin(spec.shape, ","), "],\"data_offsets\":[", begin, ",", end, "]}");
  begin = end;
  return absl::OkStatus();
}

// Larger elements first, so that every array starts at a multiple of its element
// size.
void SortForFile(std::vector<SafetensorsSpec>& specs) {
  std::sort(specs.begin(), specs.end(), [](const SafetensorsSpec& a, const SafetensorsSpec& b) {
    const int64_t size_a = SafetensorsTypeSize(a.type);
    const int64_t size_b = SafetensorsTypeSize(b.type);
    return std::tie(size_b, a.name) < std::tie(size_a, b.name);
  });
}

absl::Status CheckNames(const std::vector<SafetensorsSpec>& specs) {
  std::vector<absl::string_view> names;
  for (const SafetensorsSpec& spec : specs) names.push_back(spec.name);
  std::sort(names.begin(), names.end());
  const auto duplicate = std::adjacent_find(names.begin(), names.end());
  if (duplicate != names.end()) {
    return absl::InvalidArgumentError(absl::StrCat("duplicate array name \"", *duplicate, "\""));
  }
  if (std::binary_search(names.begin(), names.end(), "__metadata__")) {
    return absl::InvalidArgumentError("\"__metadata__\" is a reserved name, not one for an array");
  }
  return absl::OkStatus();
}

// The length and the JSON, padded so that the data starts at a multiple of `alignment`.
absl::StatusOr<std::string> MakeHeader(const std::vector<SafetensorsSpec>& specs,
                                       const std::vector<int64_t>& sizes,
                                       const SafetensorsMetadata& metadata, size_t alignment) {
  std::string json = "{";
  if (!metadata.empty()) RCNN_RETURN_IF_ERROR(AppendMetadata(metadata, json));
  int64_t begin = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    RCNN_RETURN_IF_ERROR(AppendEntry(specs[i], sizes[i], begin, json));
  }
  json += '}';
  const size_t size = kLengthBytes + json.size();
  json.resize((size + alignment - 1) / alignment * alignment - kLengthBytes, ' ');
  if (json.size() > static_cast<size_t>(kMaxSafetensorsHeaderBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("the header has ", json.size(),
                                                   " bytes; at most ", kMaxSafetensorsHeaderBytes,
                                                   " can be read"));
  }
  const int64_t most = MaxSafetensorsMetadata(static_cast<int64_t>(json.size()));
  if (static_cast<int64_t>(metadata.size()) > most) {
    return absl::InvalidArgumentError(absl::StrCat("the metadata have ", metadata.size(),
                                                   " entries; at most ", most, " can be read"));
  }
  std::string length;
  for (int shift = 0; shift < 64; shift += 8) length += static_cast<char>(json.size() >> shift);
  return length + json;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(AtomicFile file, std::vector<SafetensorsSpec> specs,
                                     std::vector<int64_t> sizes)
    : file_(std::move(file)), specs_(std::move(specs)), missing_(std::move(sizes)) {
  SkipComplete();
}

void SafetensorsWriter::SkipComplete() {
  while (current_ < missing_.size() && missing_[current_] == 0) ++current_;
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(const std::string& path,
                                                            std::vector<SafetensorsSpec> specs,
                                                            const SafetensorsMetadata& metadata,
                                                            size_t alignment) {
  RCNN_RETURN_IF_ERROR(CheckNames(specs), path);
  SortForFile(specs);
  std::vector<int64_t> sizes;
  for (const SafetensorsSpec& spec : specs) {
    RCNN_ASSIGN_OR_RETURN(const int64_t size, SafetensorsByteSize(spec), path);
    sizes.push_back(size);
  }
  RCNN_ASSIGN_OR_RETURN(const std::string header, MakeHeader(specs, sizes, metadata, alignment),
                        path);
  RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RCNN_RETURN_IF_ERROR(file.Append(header));
  return SafetensorsWriter(std::move(file), std::move(specs), std::move(sizes));
}

absl::Status SafetensorsWriter::Append(absl::string_view name, absl::string_view bytes) {
  if (bytes.empty()) return absl::OkStatus();
  if (current_ == specs_.size() || specs_[current_].name != name) {
    return absl::FailedPreconditionError(absl::StrCat(
        "unexpected bytes of array \"", name, "\": ",
        current_ == specs_.size() ? "all arrays are complete"
                                  : absl::StrCat("\"", specs_[current_].name, "\" is next")));
  }
  const int64_t size = static_cast<int64_t>(bytes.size());
  if (size > missing_[current_]) {
    return absl::FailedPreconditionError(absl::StrCat("array \"", name, "\" needs ",
                                                      Counted(missing_[current_], "more byte"),
                                                      ", but got ", size));
  }
  RCNN_RETURN_IF_ERROR(file_.Append(bytes));
  missing_[current_] -= size;
  SkipComplete();
  return absl::OkStatus();
}

absl::StatusOr<FileDigest> SafetensorsWriter::Commit() {
  if (current_ < specs_.size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "array \"", specs_[current_].name, "\" lacks ", Counted(missing_[current_], "byte")));
  }
  return file_.Commit();
}

absl::StatusOr<FileDigest> WriteSafetensors(const std::string& path,
                                            const std::vector<SafetensorsArray>& arrays,
                                            const SafetensorsMetadata& metadata) {
  std::vector<SafetensorsSpec> specs;
  std::map<absl::string_view, absl::string_view> bytes;
  for (const SafetensorsArray& array : arrays) {
    specs.push_back(array.spec);
    bytes[array.spec.name] = array.bytes;
  }
  RCNN_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                        SafetensorsWriter::Create(path, std::move(specs), metadata));
  for (const SafetensorsSpec& spec : writer.specs()) {
    RCNN_RETURN_IF_ERROR(writer.Append(spec.name, bytes[spec.name]));
  }
  return writer.Commit();
}

}  // namespace rcnn
