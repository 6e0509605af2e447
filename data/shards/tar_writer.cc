#include "rcnn/data/shards/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

struct FreeArchive {
  void operator()(archive* value) const { archive_write_free(value); }
};

struct FreeEntry {
  void operator()(archive_entry* value) const { archive_entry_free(value); }
};

using Entry = std::unique_ptr<archive_entry, FreeEntry>;

Entry MakeEntry(const std::string& name, size_t size) {
  Entry entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
  archive_entry_set_mtime(entry.get(), 0, 0);
  return entry;
}

}  // namespace

struct TarWriter::State {
  explicit State(AtomicFile target) : file(std::move(target)) {}
  // Freeing an archive that is not complete writes its end.
  ~State() { discards = true; }

  // Of a call of libarchive, which `action` names in an error. An error of the file comes first,
  // because libarchive does not learn of it.
  absl::Status Check(bool succeeded, absl::string_view action) const {
    RCNN_RETURN_IF_ERROR(file_error);
    if (succeeded) return absl::OkStatus();
    const char* const why = archive_error_string(writer.get());
    return absl::InvalidArgumentError(
        absl::StrCat(action, ": ", why == nullptr ? "libarchive failed" : why));
  }

  static la_ssize_t Write(archive* /*writer*/, void* state, const void* bytes, size_t size) {
    State& self = *static_cast<State*>(state);
    if (self.discards) return static_cast<la_ssize_t>(size);
    self.file_error = self.file.Append({static_cast<const char*>(bytes), size});
    // libarchive leaks a part of an archive whose writing fails, so it is told of a success.
    self.discards = !self.file_error.ok();
    if (!self.discards) self.written += static_cast<int64_t>(size);
    return static_cast<la_ssize_t>(size);
  }

  AtomicFile file;
  absl::Status file_error;
  int64_t written = 0;
  bool discards = false;
  // Destroyed first.
  std::unique_ptr<archive, FreeArchive> writer{archive_write_new()};
};

TarWriter::TarWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TarWriter::TarWriter(TarWriter&&) noexcept = default;
TarWriter& TarWriter::operator=(TarWriter&&) noexcept = default;
TarWriter::~TarWriter() = default;

absl::StatusOr<TarWriter> TarWriter::Create(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  auto state = std::make_unique<State>(std::move(file));
  archive* const writer = state->writer.get();
  archive_write_set_format_ustar(writer);
  archive_write_add_filter_none(writer);
  // Without blocks every byte is passed on at once, so `written` is the position.
  archive_write_set_bytes_per_block(writer, 0);
  archive_write_set_bytes_in_last_block(writer, 1);
  const int opened = archive_write_open(writer, state.get(), nullptr, &State::Write, nullptr);
  RCNN_RETURN_IF_ERROR(state->Check(opened == ARCHIVE_OK, path));
  return TarWriter(std::move(state));
}

absl::StatusOr<int64_t> TarWriter::Add(const std::string& name, absl::string_view bytes) {
  archive* const writer = state_->writer.get();
  const Entry entry = MakeEntry(name, bytes.size());
  const int begun = archive_write_header(writer, entry.get());
  RCNN_RETURN_IF_ERROR(state_->Check(begun == ARCHIVE_OK, name));
  const int64_t offset = state_->written;
  const la_ssize_t written = archive_write_data(writer, bytes.data(), bytes.size());
  RCNN_RETURN_IF_ERROR(state_->Check(written == static_cast<la_ssize_t>(bytes.size()), name));
  RCNN_RETURN_IF_ERROR(state_->Check(archive_write_finish_entry(writer) == ARCHIVE_OK, name));
  return offset;
}

absl::StatusOr<FileDigest> TarWriter::Commit() {
  const int closed = archive_write_close(state_->writer.get());
  RCNN_RETURN_IF_ERROR(state_->Check(closed == ARCHIVE_OK, "tar"));
  return state_->file.Commit();
}

}  // namespace rcnn::data
