#include "rcnn/data/core/image_list.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
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

// "train/a.jpg": "a.jpg", "train".
std::vector<absl::string_view> PartsFromTheEnd(absl::string_view path) {
  std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  std::reverse(parts.begin(), parts.end());
  return parts;
}

}  // namespace

ImageList ImageList::Parse(absl::string_view text) {
  std::vector<std::string> names;
  for (absl::string_view line :
       absl::StrSplit(WithoutByteOrderMark(text), absl::ByAnyChar("\r\n"))) {
    const std::string path = absl::StrReplaceAll(absl::StripAsciiWhitespace(line), {{"\\", "/"}});
    absl::string_view name = path;
    while (absl::ConsumePrefix(&name, "./") || absl::ConsumePrefix(&name, "../")) {
    }
    if (!name.empty()) names.emplace_back(name);
  }
  ImageList list;
  list.names_ = std::make_shared<const std::vector<std::string>>(std::move(names));
  for (const std::string& name : list.names()) list.Insert(name);
  return list;
}

absl::StatusOr<ImageList> ImageList::Decode(absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, ToUtf8(bytes));
  return Parse(text);
}

absl::StatusOr<ImageList> ImageList::Read(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  RCNN_ASSIGN_OR_RETURN(ImageList list, Decode(bytes), path);
  if (list.names().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": an empty list; write an image name on each line"));
  }
  return list;
}

void ImageList::Insert(absl::string_view name) {
  Ends ends;
  for (const absl::string_view part : PartsFromTheEnd(name)) {
    const auto [place, is_new] =
        longer_.try_emplace({ends.nodes.back(), part}, static_cast<int64_t>(nodes_.size()));
    if (is_new) nodes_.emplace_back();
    ends.nodes.push_back(place->second);
  }
  if (std::exchange(nodes_[ends.nodes.back()].whole, true)) return;
  for (const int64_t node : ends.nodes) ++nodes_[node].open;
}

ImageList::Ends ImageList::FindEnds(absl::string_view path) const {
  Ends ends;
  for (const absl::string_view part : PartsFromTheEnd(path)) {
    const auto found = longer_.find({ends.nodes.back(), part});
    if (found == longer_.end()) return ends;
    ends.nodes.push_back(found->second);
  }
  ends.complete = !path.empty();
  return ends;
}

void ImageList::PreferExact(absl::string_view image) {
  const Ends ends = FindEnds(image);
  Node& last = nodes_[ends.nodes.back()];
  if (!ends.complete || !last.whole || std::exchange(last.exact, true)) return;
  for (const int64_t node : ends.nodes) --nodes_[node].open;
}

bool ImageList::Contains(absl::string_view image) const {
  const Ends ends = FindEnds(image);
  const Node& last = nodes_[ends.nodes.back()];
  // It is a name, or the end of one.
  if (ends.complete && (last.exact || last.open > 0)) return true;
  // A name is its end.
  return std::any_of(ends.nodes.begin(), ends.nodes.end(),
                     [&](int64_t node) { return nodes_[node].whole && !nodes_[node].exact; });
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
  return absl::InvalidArgumentError(absl::StrCat(list_file, ": none of its images, ",
                                                 list.names().size(), " in all, such as ",
                                                 list.names()[0], ", is in the dataset"));
}

}  // namespace rcnn::data
