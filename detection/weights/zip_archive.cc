#include "rcnn/detection/weights/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection::weights {
namespace {

constexpr int64_t kCompressed = -1;  // in place of a size

std::string Quoted(absl::string_view name) {
  return absl::StrCat("zip record '", absl::CHexEscape(name), "'");
}

absl::Status ZipError(zip_error_t* error, absl::string_view what) {
  const absl::Status status =
      absl::DataLossError(absl::StrCat(what, ": ", zip_error_strerror(error)));
  zip_error_fini(error);
  return status;
}

// Records are never written to paths, but an archive with such names does not come
// from torch.save.
absl::Status CheckName(const std::string& name) {
  const bool is_plain = name.find('\\') == std::string::npos && !name.empty();
  if (is_plain && JoinInside("archive", name).ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(Quoted(name), " has a path outside the archive"));
}

struct CloseRecord {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

// Reads the whole record and past its end: only there does libzip verify the checksum.
absl::Status ReadAll(zip_file_t* file, const std::string& name, char* data, int64_t size) {
  while (size > 0) {
    const zip_int64_t count = zip_fread(file, data, static_cast<zip_uint64_t>(size));
    if (count <= 0) {
      return absl::DataLossError(
          absl::StrCat(Quoted(name), ": ", zip_error_strerror(zip_file_get_error(file))));
    }
    data += count;
    size -= count;
  }
  char after = 0;
  if (zip_fread(file, &after, 1) == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(Quoted(name), ": ", zip_error_strerror(zip_file_get_error(file))));
}

}  // namespace

void ZipArchive::Discard::operator()(zip* archive) const { zip_discard(archive); }

absl::StatusOr<ZipArchive> ZipArchive::Open(absl::string_view bytes) {
  if (bytes.empty())
    return absl::DataLossError("zip archive: is empty");  // libzip takes it for one
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source =
      zip_source_buffer_create(bytes.data(), bytes.size(), /*freep=*/0, &error);
  if (source == nullptr) return ZipError(&error, "zip archive");
  ZipArchive archive;
  archive.archive_.reset(zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error));
  if (archive.archive_ == nullptr) {
    zip_source_free(source);
    return ZipError(&error, "zip archive");
  }
  zip_error_fini(&error);
  RCNN_RETURN_IF_ERROR(archive.List(static_cast<int64_t>(bytes.size())));
  return archive;
}

absl::Status ZipArchive::List(int64_t total_bytes) {
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  int64_t left = total_bytes;
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive_.get(), static_cast<zip_uint64_t>(i), 0, &stat) != 0) {
      return absl::DataLossError(absl::StrCat("zip record number ", i, " has no entry"));
    }
    const std::string name = stat.name;
    RCNN_RETURN_IF_ERROR(CheckName(name));
    const bool is_stored =
        stat.comp_method == ZIP_CM_STORE && stat.encryption_method == ZIP_EM_NONE;
    if (is_stored && stat.size > static_cast<zip_uint64_t>(left)) {
      return absl::DataLossError(absl::StrCat(Quoted(name), " is larger than the file: ", stat.size,
                                              " of the ", Counted(left, "byte"), " left"));
    }
    const int64_t size = is_stored ? static_cast<int64_t>(stat.size) : kCompressed;
    left -= std::max<int64_t>(size, 0);
    if (!sizes_.emplace(name, size).second) {
      return absl::InvalidArgumentError(absl::StrCat(Quoted(name), " is a duplicate"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ZipArchive::Size(const std::string& name) const {
  const auto found = sizes_.find(name);
  if (found == sizes_.end()) {
    return absl::NotFoundError(absl::StrCat(Quoted(name), " is missing"));
  }
  if (found->second != kCompressed) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat(Quoted(name), " is compressed or encrypted; torch.save never does that"));
}

absl::StatusOr<std::string> ZipArchive::Read(const std::string& name) const {
  RCNN_ASSIGN_OR_RETURN(const int64_t size, Size(name));
  std::string bytes(static_cast<size_t>(size), '\0');
  RCNN_RETURN_IF_ERROR(ReadInto(name, bytes.data(), size));
  return bytes;
}

absl::Status ZipArchive::ReadInto(const std::string& name, void* data, int64_t size) const {
  RCNN_ASSIGN_OR_RETURN(const int64_t true_size, Size(name));
  if (true_size != size) {
    return absl::InvalidArgumentError(
        absl::StrCat(Quoted(name), " has ", Counted(true_size, "byte"), " instead of ", size));
  }
  const std::unique_ptr<zip_file_t, CloseRecord> file(zip_fopen(archive_.get(), name.c_str(), 0));
  if (file == nullptr) {
    return absl::DataLossError(
        absl::StrCat(Quoted(name), ": ", zip_error_strerror(zip_get_error(archive_.get()))));
  }
  return ReadAll(file.get(), name, static_cast<char*>(data), size);
}

}  // namespace rcnn::detection::weights
