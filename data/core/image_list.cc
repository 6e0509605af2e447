#include "rcnn/data/core/image_list.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/text_encoding.h"

namespace rcnn::data {
namespace {

// One of them ends with the other, at the beginning of a folder or file.
bool ShareEnd(absl::string_view a, absl::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  return absl::EndsWith(a, b) && (a.size() == b.size() || a[a.size() - b.size() - 1] == '/');
}

}  // namespace

ImageList ImageList::Parse(absl::string_view text) {
  ImageList list;
  for (absl::string_view line :
       absl::StrSplit(WithoutByteOrderMark(text), absl::ByAnyChar("\r\n"))) {
    const std::string path = absl::StrReplaceAll(absl::StripAsciiWhitespace(line), {{"\\", "/"}});
    absl::string_view name = path;
    while (absl::ConsumePrefix(&name, "./") || absl::ConsumePrefix(&name, "../")) {
    }
    if (name.empty()) continue;
    list.by_file_[FilePart(name)].push_back(static_cast<int64_t>(list.names_.size()));
    list.names_.emplace_back(name);
  }
  return list;
}

absl::StatusOr<ImageList> ImageList::Read(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  RCNN_ASSIGN_OR_RETURN(const std::string text, ToUtf8(bytes), path);
  ImageList list = Parse(text);
  if (list.names().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": an empty list"));
  }
  return list;
}

void ImageList::PreferExact(absl::string_view image) {
  const auto found = by_file_.find(FilePart(image));
  if (found == by_file_.end()) return;
  const bool listed = std::any_of(found->second.begin(), found->second.end(),
                                  [&](int64_t i) { return names_[i] == image; });
  if (listed) exact_.emplace(image);
}

bool ImageList::Contains(absl::string_view image) const {
  if (exact_.count(image) > 0) return true;
  const auto found = by_file_.find(FilePart(image));
  return found != by_file_.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&](int64_t i) {
           return exact_.count(names_[i]) == 0 && ShareEnd(names_[i], image);
         });
}

absl::StatusOr<AnnotationTable> SelectImages(ImageList list, const std::string& list_file,
                                             AnnotationTable table, bool renumber) {
  for (const ImageInfo& image : table.images) list.PreferExact(image.name);
  for (const Defect& defect : table.defects.defects()) list.PreferExact(defect.image);
  AnnotationTable selected;
  std::string found;
  for (int64_t i = 0; i < table.num_images(); ++i) {
    if (!list.Contains(table.images[i].name)) continue;
    absl::StrAppend(&found, table.images[i].name, "\n");
    selected.AddImage(std::move(table.images[i]));
    if (renumber) selected.images.back().id = selected.num_images();
    for (Object object : table.objects_of(i)) {
      if (renumber) object.id = static_cast<int64_t>(selected.objects.size()) + 1;
      selected.AddObject(object);
    }
  }
  selected.classes = std::move(table.classes);
  selected.defects = table.defects.Select(
      [&](const Defect& defect) { return !defect.image.empty() && list.Contains(defect.image); });
  selected.inclusive_boxes = table.inclusive_boxes;
  for (const Defect& defect : selected.defects.defects()) {
    absl::StrAppend(&found, defect.image, "\n");
  }
  const ImageList images = ImageList::Parse(found);
  for (const std::string& name : list.names()) {
    if (images.Contains(name) || images.Contains(WithoutImageExtension(FilePart(name)))) continue;
    selected.defects.Add(
        {list_file, -1, DefectKind::kMissingImage, name, DefectAction::kImageDropped, name});
  }
  NoticeLoss(selected);
  if (selected.num_images() > 0) return selected;
  return absl::InvalidArgumentError(absl::StrCat(list_file, ": none of its ", list.names().size(),
                                                 " images, such as ", list.names()[0],
                                                 ", is in the dataset"));
}

}  // namespace rcnn::data
