// Memory for a header of T bytes, at most: simdjson takes T for its copy, and up to 12 T for its
// index and its tape where values have two bytes each; an entry of 49 bytes takes 330 bytes there,
// then 80 in the list of arrays; a shape its sizes alone, of which there are at most 64; an entry
// of metadata 112 bytes, of which there is at most one for each 16 bytes. simdjson's memory is
// freed before the index of names is made.

#include "rcnn/base/safetensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "simdjson.h"

namespace rcnn {
namespace {

namespace dom = simdjson::dom;

constexpr int64_t kLengthBytes = 8;
constexpr absl::string_view kMetadataName = "__metadata__";
// "":{"dtype":"U8","shape":[],"data_offsets":[0,0]}
constexpr size_t kMinEntryBytes = 49;

struct TypeInfo {
  absl::string_view name;
  int64_t size;
};

// In the order of the enumeration.
constexpr std::array<TypeInfo, 13> kTypes = {{{"BOOL", 1},
                                              {"U8", 1},
                                              {"I8", 1},
                                              {"U16", 2},
                                              {"I16", 2},
                                              {"F16", 2},
                                              {"BF16", 2},
                                              {"U32", 4},
                                              {"I32", 4},
                                              {"F32", 4},
                                              {"U64", 8},
                                              {"I64", 8},
                                              {"F64", 8}}};

const TypeInfo& TypeRow(SafetensorsType type) { return kTypes[static_cast<size_t>(type)]; }

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

// A name from a file, escaped for a message.
std::string Quoted(absl::string_view name) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(name.substr(0, 200)), "\"");
}

absl::Status Invalid(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("array ", Quoted(name), ": ", what));
}

absl::StatusOr<SafetensorsType> ParseType(absl::string_view name, dom::element value) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return Invalid(name, "dtype is not a string");
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].name == ToAbsl(text)) return static_cast<SafetensorsType>(i);
  }
  return Invalid(name, absl::StrCat("unknown dtype ", Quoted(ToAbsl(text))));
}

absl::StatusOr<std::vector<int64_t>> ParseIntegers(absl::string_view name, absl::string_view field,
                                                   dom::element value) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) {
    return Invalid(name, absl::StrCat(field, " is not a list"));
  }
  if (static_cast<int64_t>(array.size()) > kMaxSafetensorsSizes) {
    return Invalid(name, absl::StrCat(field, " has more than ", kMaxSafetensorsSizes, " numbers"));
  }
  std::vector<int64_t> integers;
  integers.reserve(array.size());
  for (dom::element element : array) {
    int64_t integer = 0;
    if (element.get(integer) != simdjson::SUCCESS || integer < 0) {
      return Invalid(name, absl::StrCat(field, "[", integers.size(), "] is ",
                                        simdjson::minify(element).substr(0, 100),
                                        ", not a whole number in [0, 2^63)"));
    }
    integers.push_back(integer);
  }
  return integers;
}

// An array as described by the header.
struct Described {
  SafetensorsSpec spec;
  int64_t begin = 0;
  int64_t end = 0;
};

absl::StatusOr<Described> ParseDescribed(absl::string_view name, dom::element value) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return Invalid(name, "not a JSON object");
  std::optional<SafetensorsType> type;
  std::optional<std::vector<int64_t>> shape;
  std::optional<std::vector<int64_t>> offsets;
  for (dom::key_value_pair field : object) {
    const absl::string_view key = ToAbsl(field.key);
    const bool again =
        (key == "dtype" && type) || (key == "shape" && shape) || (key == "data_offsets" && offsets);
    if (again) return Invalid(name, absl::StrCat(key, " is a duplicate"));
    if (key == "dtype") {
      RCNN_ASSIGN_OR_RETURN(type, ParseType(name, field.value));
    } else if (key == "shape") {
      RCNN_ASSIGN_OR_RETURN(shape, ParseIntegers(name, key, field.value));
    } else if (key == "data_offsets") {
      RCNN_ASSIGN_OR_RETURN(offsets, ParseIntegers(name, key, field.value));
    } else {
      return Invalid(name, absl::StrCat("unknown field ", Quoted(key)));
    }
  }
  if (!type || !shape || !offsets) return Invalid(name, "dtype, shape or data_offsets is missing");
  if (offsets->size() != 2) return Invalid(name, "data_offsets must be two numbers");
  return Described{{std::string(name), *type, *std::move(shape)}, (*offsets)[0], (*offsets)[1]};
}

absl::Status CheckSize(const Described& array, int64_t data_bytes) {
  const absl::string_view name = array.spec.name;
  if (array.end < array.begin || array.end > data_bytes) {
    return Invalid(
        name, absl::StrCat("data_offsets [", array.begin, ", ", array.end, "] are outside the ",
                           Counted(data_bytes, "byte"), " of data"));
  }
  RCNN_ASSIGN_OR_RETURN(const int64_t expected, SafetensorsByteSize(array.spec));
  if (array.end - array.begin != expected) {
    return Invalid(name, absl::StrCat("data_offsets [", array.begin, ", ", array.end, "] hold ",
                                      Counted(array.end - array.begin, "byte"), "; ",
                                      SafetensorsTypeName(array.spec.type), " of shape [",
                                      absl::StrJoin(array.spec.shape, ", "), "] needs ", expected));
  }
  return absl::OkStatus();
}

// Checks that each array, in byte order, starts where the previous one ends.
absl::Status CheckContiguous(const std::vector<Described>& arrays, int64_t data_bytes) {
  int64_t position = 0;
  for (const Described& array : arrays) {
    if (array.begin != position) {
      return Invalid(array.spec.name,
                     absl::StrCat("starts at byte ", array.begin, " of the data, but ",
                                  array.begin < position ? "overlaps" : "leaves a gap after",
                                  " the previous array, which ends at ", position));
    }
    position = array.end;
  }
  if (position != data_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the arrays end at byte ", position, " of ",
                                                   Counted(data_bytes, "byte"), " of data"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SafetensorsMetadata> ParseMetadata(dom::element value, int64_t header_bytes) {
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("__metadata__ is not a JSON object");
  }
  const int64_t most = MaxSafetensorsMetadata(header_bytes);
  if (static_cast<int64_t>(object.size()) > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        "__metadata__ has more than ", most, " entries, the limit for a header of this size"));
  }
  SafetensorsMetadata metadata;
  for (dom::key_value_pair field : object) {
    std::string_view text;
    const absl::string_view key = ToAbsl(field.key);
    if (field.value.get(text) != simdjson::SUCCESS) {
      return absl::InvalidArgumentError(
          absl::StrCat("__metadata__: ", Quoted(key), " is not a string"));
    }
    if (!metadata.emplace(key, text).second) {
      return absl::InvalidArgumentError(absl::StrCat("__metadata__: duplicate key ", Quoted(key)));
    }
  }
  return metadata;
}

struct Header {
  std::vector<Described> arrays;
  SafetensorsMetadata metadata;
};

absl::Status CheckUnique(const std::vector<Described>& arrays) {
  std::vector<absl::string_view> names;
  names.reserve(arrays.size());
  for (const Described& array : arrays) names.push_back(array.spec.name);
  std::sort(names.begin(), names.end());
  const auto again = std::adjacent_find(names.begin(), names.end());
  return again == names.end() ? absl::OkStatus() : Invalid(*again, "duplicate name");
}

absl::StatusOr<Header> ParseHeader(absl::string_view text) {
  dom::parser parser;
  dom::object object;
  const simdjson::error_code error = parser.parse(text.data(), text.size()).get(object);
  if (error != simdjson::SUCCESS) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header is not a JSON object: ", simdjson::error_message(error)));
  }
  Header header;
  header.arrays.reserve(std::min(object.size(), text.size() / kMinEntryBytes + 1));
  bool has_metadata = false;
  for (dom::key_value_pair field : object) {
    const absl::string_view name = ToAbsl(field.key);
    if (name == kMetadataName) {
      if (std::exchange(has_metadata, true)) return Invalid(name, "duplicate name");
      RCNN_ASSIGN_OR_RETURN(header.metadata,
                            ParseMetadata(field.value, static_cast<int64_t>(text.size())));
    } else {
      RCNN_ASSIGN_OR_RETURN(Described array, ParseDescribed(name, field.value));
      header.arrays.push_back(std::move(array));
    }
  }
  RCNN_RETURN_IF_ERROR(CheckUnique(header.arrays));
  return header;
}

uint64_t LoadLittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// Returns the header's text.
absl::StatusOr<absl::string_view> FindHeader(absl::string_view file) {
  if (file.size() < kLengthBytes) {
    return absl::DataLossError(absl::StrCat("not a safetensors file: it has ",
                                            Counted(file.size(), "byte"), ", fewer than 8"));
  }
  const uint64_t length = LoadLittleEndian(file.substr(0, kLengthBytes));
  if (length > static_cast<uint64_t>(kMaxSafetensorsHeaderBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("not a safetensors file: the header claims ",
                                                   length, " bytes, more than ",
                                                   kMaxSafetensorsHeaderBytes));
  }
  if (length > file.size() - kLengthBytes) {
    return absl::DataLossError(absl::StrCat("the header claims ", Counted(length, "byte"),
                                            ", but only ", file.size() - kLengthBytes,
                                            " follow: the file is cut off"));
  }
  return file.substr(kLengthBytes, length);
}

}  // namespace

absl::string_view SafetensorsTypeName(SafetensorsType type) { return TypeRow(type).name; }

int64_t SafetensorsTypeSize(SafetensorsType type) { return TypeRow(type).size; }

absl::StatusOr<int64_t> SafetensorsByteSize(const SafetensorsSpec& spec) {
  int64_t bytes = SafetensorsTypeSize(spec.type);
  bool overflow = false;
  bool empty = false;
  for (const int64_t size : spec.shape) {
    if (size < 0) return Invalid(spec.name, absl::StrCat("a size of ", size));
    empty = empty || size == 0;
    overflow = overflow || __builtin_mul_overflow(bytes, size, &bytes);
  }
  if (empty) return 0;
  if (overflow) {
    return Invalid(spec.name, absl::StrCat("shape [", absl::StrJoin(spec.shape, ", "),
                                           "] has more than 2^63 bytes"));
  }
  return bytes;
}

absl::StatusOr<SafetensorsView> SafetensorsView::Parse(absl::string_view file) {
  RCNN_ASSIGN_OR_RETURN(const absl::string_view text, FindHeader(file));
  const absl::string_view data = file.substr(kLengthBytes + text.size());
  const int64_t data_bytes = static_cast<int64_t>(data.size());
  RCNN_ASSIGN_OR_RETURN(Header header, ParseHeader(text));
  for (const Described& array : header.arrays) RCNN_RETURN_IF_ERROR(CheckSize(array, data_bytes));
  std::sort(header.arrays.begin(), header.arrays.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.spec.name) < std::tie(b.begin, b.end, b.spec.name);
  });
  RCNN_RETURN_IF_ERROR(CheckContiguous(header.arrays, data_bytes));
  SafetensorsView view;
  view.metadata_ = std::move(header.metadata);
  view.arrays_.reserve(header.arrays.size());
  for (Described& array : header.arrays) {
    view.index_[array.spec.name] = view.arrays_.size();
    view.arrays_.push_back(
        {std::move(array.spec), data.substr(array.begin, array.end - array.begin)});
  }
  return view;
}

const SafetensorsArray* SafetensorsView::Find(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &arrays_[found->second];
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(SafetensorsView view, SafetensorsView::Parse(file.bytes()), path);
  return SafetensorsFile(std::move(file), std::move(view));
}

}  // namespace rcnn
