#include "rcnn/data/sources/folder_split.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/concat_dataset.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/sources/list_checksums.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/data/split/image_groups.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, kSplitSides> kSideNames = {"train", "val", "test"};
constexpr double kMostImages = 5000;
// A group of similar images larger than this fraction of all images is a common background,
// not a source.
constexpr double kLargestGroup = 0.2;
constexpr size_t kNamesShown = 5;
constexpr char kChecksumsFile[] = "checksums.txt";
constexpr int64_t kMaxChecksumsBytes = int64_t{1} << 24;

std::optional<SplitSide> ParseSide(absl::string_view name) {
  for (int side = 0; side < kSplitSides; ++side) {
    if (name == kSideNames[side]) return static_cast<SplitSide>(side);
  }
  return std::nullopt;
}

// Images of all parts, one after the other.
struct AllImages {
  std::vector<std::string> names;
  std::vector<std::string> paths;
  // Which part of the folder, and which image of it.
  std::vector<std::pair<size_t, int64_t>> places;
};

AllImages ListImages(const OpenedFolder& folder) {
  AllImages all;
  for (size_t p = 0; p < folder.parts.size(); ++p) {
    const Dataset& images = *folder.parts[p].images;
    for (int64_t i = 0; i < images.size(); ++i) {
      ImageInfo info = images.image(i);
      all.names.push_back(std::move(info.name));
      all.paths.push_back(std::move(info.path));
      all.places.emplace_back(p, i);
    }
  }
  return all;
}

int64_t LargestGroup(const ImageGroups& groups) {
  std::map<int64_t, int64_t> sizes;
  int64_t largest = 0;
  for (const int64_t group : groups.group) largest = std::max(largest, ++sizes[group]);
  return largest;
}

absl::StatusOr<ImageGroups> FindGroups(const AllImages& all, const HashOptions& options,
                                       std::vector<std::string>& notices) {
  RCNN_ASSIGN_OR_RETURN(std::vector<std::optional<ImageHash>> hashes,
                        HashImages(all.paths, options));
  const auto in_shards = std::count(all.paths.begin(), all.paths.end(), "");
  if (in_shards > 0) {
    notices.push_back(absl::StrCat(in_shards, in_shards == 1 ? " image lies" : " images lie",
                                   " in shards, so only names show which share a source"));
  }
  ImageGroups groups = GroupImages(all.names, hashes);
  const double size = static_cast<double>(all.names.size());
  const double largest = static_cast<double>(LargestGroup(groups));
  if (largest <= std::max(kLargestGroup * size, 20.0)) return groups;
  // Gives every image a different look, so that looks connect no images.
  uint64_t next = 0;
  for (std::optional<ImageHash>& hash : hashes) {
    ++next;
    if (hash) hash->look.fill(next * 0x9e3779b97f4a7c15ULL);
  }
  ImageGroups by_name = GroupImages(all.names, hashes);
  notices.push_back(absl::StrCat(
      static_cast<int64_t>(largest), " of ", all.names.size(),
      " images look nearly the same (frames of one camera?), so similarity does not show which "
      "share a source; only identical files and names are kept on one side"));
  return by_name;
}

// Pairs on different sides, as texts. `side` of each image: a number, or -1.
std::vector<std::string> CollectLeaks(const AllImages& all, const ImageGroups& groups,
                                      const std::vector<int>& side,
                                      const std::vector<std::string>& side_names) {
  std::map<int64_t, SameSource> reasons;
  for (const ImagePair& pair : groups.pairs) {
    reasons.emplace(groups.group[static_cast<size_t>(pair.first)], pair.reason);
  }
  std::map<int64_t, size_t> first;
  std::vector<std::string> leaks;
  for (size_t i = 0; i < all.names.size(); ++i) {
    const auto [place, is_new] = first.try_emplace(groups.group[i], i);
    const size_t other = place->second;
    if (is_new || side[i] == side[other]) continue;
    leaks.push_back(absl::StrCat(side_names[side[other]], "/", all.names[other], " and ",
                                 side_names[side[i]], "/", all.names[i], ": ",
                                 Name(reasons.at(groups.group[i]))));
  }
  return leaks;
}

// Lists of names: [side][place of a concat].
using Lists = std::array<std::map<int64_t, std::vector<std::string>>, kSplitSides>;

std::string ListName(int side, int64_t place) {
  return absl::StrCat(kSideNames[side], place == 0 ? "" : absl::StrCat("-", place), ".txt");
}

std::string ListFile(const std::string& directory, int side, int64_t place) {
  return absl::StrCat(directory, "/", ListName(side, place));
}

std::string Lines(const std::vector<std::string>& names) {
  return names.empty() ? "" : absl::StrCat(absl::StrJoin(names, "\n"), "\n");
}

// Lists have one name per line, without spaces around it, and "\\" separates folders in them. The
// first bytes of a file may mark its encoding.
absl::Status CheckListable(const std::string& folder, const std::string& name) {
  const absl::StatusOr<ImageList> list = ImageList::Decode(Lines({name}));
  if (list.ok() && list->names() == std::vector<std::string>{name}) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      folder, ": a list of the split cannot hold the image name \"", absl::Utf8SafeCEscape(name),
      "\", because of a line break, a backslash, spaces at its ends, ./ or ../ before it, or first "
      "bytes that mark the encoding of a file; rename the image"));
}

class Splitter {
 public:
  Splitter(const OpenedFolder& folder, const FolderSplitOptions& options)
      : folder_(folder), options_(options) {
    std::error_code error;
    directory_ = fs::absolute(options.directory, error).lexically_normal().string();
    while (directory_.size() > 1 && directory_.back() == '/') directory_.pop_back();
  }

  absl::StatusOr<FolderSplit> Split() {
    split_.classes = folder_.classes;
    split_.notices = folder_.notices;
    RCNN_RETURN_IF_ERROR(FindSource());
    // Before the images are hashed, which takes long.
    if (Cuts()) RCNN_RETURN_IF_ERROR(ReadLists());
    all_ = ListImages(folder_);
    RCNN_ASSIGN_OR_RETURN(groups_, FindGroups(all_, options_.hashes, split_.notices));
    std::vector<int> side;
    for (const auto& [part, index] : all_.places) {
      side.push_back(part == source_ ? 0 : static_cast<int>(*ParseSide(folder_.parts[part].name)));
    }
    if (Cuts()) RCNN_RETURN_IF_ERROR(Cut(side));
    split_.leaks = CollectLeaks(all_, groups_, side, {"train", "val", "test"});
    RCNN_RETURN_IF_ERROR(OpenParts());
    return std::move(split_);
  }

 private:
  bool Cuts() const { return shares_.val > 0 || shares_.test > 0; }

  absl::Status FindSource() {
    const bool single = folder_.parts.size() == 1;
    for (size_t i = 0; i < folder_.parts.size(); ++i) {
      if (folder_.parts[i].name == "train" || single) source_ = i;
    }
    if (source_ == SIZE_MAX) {
      return absl::InvalidArgumentError(
          absl::StrCat(folder_.folder,
                       ": has a part val and a part test, but none to train on; "
                       "call one train, or add it"));
    }
    const double size = static_cast<double>(folder_.parts[source_].images->size());
    shares_ = options_.shares;
    shares_.val = std::min(shares_.val, kMostImages / size);
    shares_.test = std::min(shares_.test, kMostImages / size);
    if (!single && folder_.FindPart("val") != nullptr) shares_.val = 0;
    if (!single && folder_.FindPart("test") != nullptr) shares_.test = 0;
    return absl::OkStatus();
  }

  // Of a concat: which of its places; else 0.
  int64_t FindPlace(int64_t image) const {
    const OpenedPart& source = folder_.parts[source_];
    if (!source.config.has_concat()) return 0;
    return source.images->image(image).id / ConcatDataset::kIdStep;
  }

  // New lists take the place of only a missing or an empty directory.
  absl::Status CheckReplaceable() const {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(directory_, error);
    if (status.type() == fs::file_type::not_found) return absl::OkStatus();
    if (error) return ErrorNumberStatus(error.value(), "read", directory_);
    if (fs::is_directory(directory_, error)) {
      const bool is_empty = fs::is_empty(directory_, error);
      if (error) return ErrorNumberStatus(error.value(), "read", directory_);
      if (!is_empty) {
        return absl::FailedPreconditionError(
            absl::StrCat(directory_,
                         ": holds files but no folder.txt, so it is not known which folder "
                         "its lists split; restore the file (its line is the folder's path), or "
                         "move the directory away"));
      }
      if (fs::is_directory(status)) return absl::OkStatus();
    }
    // A directory cannot be renamed over it.
    return absl::FailedPreconditionError(
        absl::StrCat(directory_, ": is ", fs::is_symlink(status) ? "a link" : "not a directory",
                     ", so the lists of the split cannot take its place; move it away"));
  }

  absl::Status ReadLists() {
    const std::string path = directory_ + "/folder.txt";
    const absl::StatusOr<std::string> recorded = ReadFile(path);
    if (absl::IsNotFound(recorded.status())) return CheckReplaceable();
    RCNN_RETURN_IF_ERROR(recorded.status());
    if (absl::StripAsciiWhitespace(*recorded) != folder_.folder) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory_, ": holds the split of ", absl::StripAsciiWhitespace(*recorded),
                       ", not of ", folder_.folder, "; give another --run_dir"));
    }
    has_lists_ = true;
    RCNN_RETURN_IF_ERROR(ReadChecksums());
    for (int side = 0; side < kSplitSides; ++side) {
      for (int64_t place = 0;; ++place) {
        RCNN_ASSIGN_OR_RETURN(const bool is_there, ReadList(side, place));
        if (!is_there) break;
      }
    }
    return absl::OkStatus();
  }

  // None in a directory of an earlier version.
  absl::Status ReadChecksums() {
    const std::string path = absl::StrCat(directory_, "/", kChecksumsFile);
    const absl::StatusOr<std::string> text = ReadFile(path, {.max_bytes = kMaxChecksumsBytes});
    if (absl::IsNotFound(text.status())) return absl::OkStatus();
    RCNN_RETURN_IF_ERROR(text.status());
    absl::StatusOr<ListChecksums> checksums = ListChecksums::Parse(*text);
    if (!checksums.ok()) return Changed(path, "is damaged");
    checksums_ = *std::move(checksums);
    return absl::OkStatus();
  }

  absl::Status Changed(const std::string& path, absl::string_view how) const {
    return absl::DataLossError(absl::StrCat(
        path, ": ", how, "; restore it, or, to use the lists of the split as they are, delete ",
        directory_, "/", kChecksumsFile));
  }

  // False if there is none.
  absl::StatusOr<bool> ReadList(int side, int64_t place) {
    const std::string name = ListName(side, place), file = ListFile(directory_, side, place);
    const absl::StatusOr<std::string> text = ReadFile(file);
    if (absl::IsNotFound(text.status())) {
      if (checksums_ && checksums_->Has(name)) return Changed(file, "is missing");
      return false;
    }
    RCNN_RETURN_IF_ERROR(text.status());
    const FileDigest digest = Digest(*text);
    if (checksums_ && !checksums_->Allows(name, digest)) {
      return Changed(file, "is damaged, or has been edited: its checksum differs");
    }
    found_.Add(name, digest);
    RCNN_ASSIGN_OR_RETURN(const ImageList list, ImageList::Decode(*text), file);
    lists_[side][place] = list.names();
    for (const std::string& image : list.names()) {
      const std::string key = absl::StrCat(place, ":", image);
      if (sides_.emplace(key, static_cast<SplitSide>(side)).second) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": names ", image, ", which another list names too; remove it from one of them"));
    }
    return true;
  }

  absl::Status Cut(std::vector<int>& side) {
    const Dataset& source = *folder_.parts[source_].images;
    std::vector<SplitImage> images;
    std::vector<size_t> places;
    for (size_t i = 0; i < all_.places.size(); ++i) {
      if (all_.places[i].first != source_) continue;
      const int64_t index = all_.places[i].second;
      SplitImage image = {all_.names[i], groups_.group[i], {}};
      std::set<int64_t> labels;
      for (const Object& object : source.objects(index)) labels.insert(object.label);
      image.labels.assign(labels.begin(), labels.end());
      const auto known = sides_.find(absl::StrCat(FindPlace(index), ":", all_.names[i]));
      if (known != sides_.end()) image.side = known->second;
      images.push_back(std::move(image));
      places.push_back(i);
    }
    const PlannedSplit plan = PlanSplit(images, shares_);
    int64_t added = 0;
    for (size_t k = 0; k < images.size(); ++k) {
      side[places[k]] = static_cast<int>(plan.side[k]);
      if (images[k].side) continue;
      RCNN_RETURN_IF_ERROR(CheckListable(folder_.folder, images[k].name));
      ++added;
      lists_[side[places[k]]][FindPlace(all_.places[places[k]].second)].push_back(images[k].name);
    }
    RCNN_RETURN_IF_ERROR(CheckSides());
    if (added > 0) {
      RCNN_RETURN_IF_ERROR(WriteLists());
    } else if (options_.records_checksums && !(checksums_ && *checksums_ == found_)) {
      // They were written by an earlier version, or edited, or a kill left those of two versions.
      RCNN_RETURN_IF_ERROR(WriteChecksums(directory_, found_));
    }
    AddNotices(images, plan, added);
    return absl::OkStatus();
  }

  int64_t Count(int side) const {
    int64_t count = 0;
    for (const auto& [place, names] : lists_[side]) count += static_cast<int64_t>(names.size());
    return count;
  }

  absl::Status CheckSides() const {
    const bool lacks =
        Count(0) == 0 || (shares_.val > 0 && Count(1) == 0) || (shares_.test > 0 && Count(2) == 0);
    if (!lacks) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        folder_.folder, ": ", Counted(Count(0) + Count(1) + Count(2), "image is", "images are"),
        " too few to be split: at least 3 from different sources are needed; add "
        "images"));
  }

  static absl::Status WriteChecksums(const std::string& directory, const ListChecksums& checksums) {
    return WriteFileAtomically(absl::StrCat(directory, "/", kChecksumsFile), checksums.Text())
        .status();
  }

  // The text of each list, by its name; every side has a list for every place.
  std::map<std::string, std::string> ListTexts() const {
    int64_t places = 1;
    for (const auto& side : lists_) {
      if (!side.empty()) places = std::max(places, side.rbegin()->first + 1);
    }
    std::map<std::string, std::string> texts;
    for (int side = 0; side < kSplitSides; ++side) {
      for (int64_t place = 0; place < places; ++place) {
        const auto names = lists_[side].find(place);
        texts[ListName(side, place)] = names == lists_[side].end() ? "" : Lines(names->second);
      }
    }
    return texts;
  }

  // A new directory is renamed into place once it is complete. In an existing one the lists
  // grow one by one; after an interruption an image in none of them is new at the next call.
  absl::Status WriteLists() {
    const bool elsewhere = has_lists_ && !options_.growth_directory.empty();
    if (elsewhere) directory_ = options_.growth_directory;
    const bool grow = has_lists_ && !elsewhere;
    const std::string target = grow ? directory_ : directory_ + ".unfinished";
    std::error_code error;
    if (!grow) fs::remove_all(target, error);
    RCNN_RETURN_IF_ERROR(CreateDirectories(target));
    const std::map<std::string, std::string> texts = ListTexts();
    ListChecksums after, during = found_;
    for (const auto& [name, text] : texts) after.Add(name, Digest(text));
    during.AddAll(after);
    RCNN_RETURN_IF_ERROR(WriteChecksums(target, during));
    for (const auto& [name, text] : texts) {
      RCNN_RETURN_IF_ERROR(WriteFileAtomically(absl::StrCat(target, "/", name), text).status());
    }
    if (grow) return WriteChecksums(target, after);
    RCNN_RETURN_IF_ERROR(
        WriteFileAtomically(target + "/folder.txt", folder_.folder + "\n").status());
    fs::rename(target, directory_, error);
    if (!error) return SyncDirectory(fs::path(directory_).parent_path().string());
    return absl::UnavailableError(
        absl::StrCat("cannot rename ", target, " to ", directory_, ": ", error.message()));
  }

  // What the folder lacks, for a message.
  std::string Lacking() const {
    const std::string& given = folder_.parts[source_].name;
    if (given == "val" || given == "test") {
      return absl::StrCat("the folder has only a part ", given, ", which is split");
    }
    return absl::StrCat("the folder has no part ", shares_.val > 0 ? "val" : "",
                        shares_.val > 0 && shares_.test > 0 ? " and no part " : "",
                        shares_.test > 0 ? "test" : "");
  }

  void AddNotices(const std::vector<SplitImage>& images, const PlannedSplit& plan, int64_t added) {
    std::vector<std::string> parts;
    for (int side = 1; side < kSplitSides; ++side) {
      const bool cut = side == 1 ? shares_.val > 0 : shares_.test > 0;
      if (!cut) continue;
      parts.push_back(absl::StrCat(Counted(Count(side), "image"), " to ", kSideNames[side]));
    }
    split_.notices.push_back(absl::StrCat(
        Lacking(), ": of ", Counted(images.size(), "image"), ", ", absl::StrJoin(parts, " and "),
        "; val selects a checkpoint, test selects nothing; lists in ", directory_));
    if (shares_.val == 0) {
      split_.notices.push_back(
          "the given part val selects a checkpoint, so it does not serve as test");
    }
    if (has_lists_ && added > 0) {
      split_.notices.push_back(
          absl::StrCat(Counted(added, "new image was", "new images were"), " added to the split"));
    }
    for (size_t k = 0; k < plan.torn.size() && k < kNamesShown; ++k) {
      split_.notices.push_back(
          absl::StrCat(images[static_cast<size_t>(plan.torn[k])].name,
                       " shares its source with images on several sides and goes to train"));
    }
    if (plan.torn.size() > kNamesShown) {
      split_.notices.push_back(
          absl::StrCat(Counted(plan.torn.size() - kNamesShown, "more new image", "more new images"),
                       " of sources on several sides ",
                       Noun(plan.torn.size() - kNamesShown, "goes", "go"), " to train"));
    }
  }

  // The config of the source for the images of a side.
  configs::DatasetConfig MakeConfig(int side) const {
    const configs::DatasetConfig& source = folder_.parts[source_].config;
    if (!source.has_concat()) {
      configs::DatasetConfig config = source;
      config.mutable_paths()->set_image_list(ListFile(directory_, side, 0));
      return config;
    }
    configs::DatasetConfig config;
    for (const auto& [place, names] : lists_[side]) {
      if (names.empty()) continue;
      configs::DatasetConfig* const part = config.mutable_concat()->add_parts();
      *part = source.concat().parts(static_cast<int>(place));
      part->mutable_paths()->set_image_list(ListFile(directory_, side, place));
    }
    return config;
  }

  absl::Status OpenParts() {
    for (int side = 0; side < kSplitSides; ++side) {
      const bool cut = Cuts() && (side == 0 || (side == 1 ? shares_.val : shares_.test) > 0);
      if (!cut) {
        if (side == 0) {
          split_.parts.push_back(folder_.parts[source_]);
          split_.parts.back().name = "train";
        } else if (const OpenedPart* const part = folder_.FindPart(kSideNames[side])) {
          split_.parts.push_back(*part);
        }
        continue;
      }
      OpenedPart part = {kSideNames[side], MakeConfig(side), nullptr};
      RCNN_ASSIGN_OR_RETURN(part.images,
                            MakeDataset(part.config, {.follow_links = folder_.follow_links}));
      split_.parts.push_back(std::move(part));
    }
    if (Cuts()) CollectDefects();
    return absl::OkStatus();
  }

  // Defects that no part reports, because no part has their images.
  void CollectDefects() {
    const Dataset& source = *folder_.parts[source_].images;
    absl::flat_hash_set<std::string> used;
    for (int64_t i = 0; i < source.size(); ++i) used.insert(source.image(i).name);
    for (const Defect& defect : source.defects().defects()) {
      if (used.count(defect.image) == 0) split_.defects.Add(defect);
    }
    if (split_.defects.empty()) return;
    const std::vector<std::string> lines =
        absl::StrSplit(split_.defects.ToString(kNamesShown), '\n', absl::SkipEmpty());
    split_.notices.push_back(
        absl::StrCat(Counted(split_.defects.total(), "defect"),
                     " of images that are in no part: ", absl::StrJoin(lines, "; ")));
  }

  const OpenedFolder& folder_;
  const FolderSplitOptions& options_;
  std::string directory_;
  size_t source_ = SIZE_MAX;
  SplitShares shares_;
  AllImages all_;
  ImageGroups groups_;
  bool has_lists_ = false;
  std::optional<ListChecksums> checksums_;  // as they were read
  ListChecksums found_;                     // of the lists as they were read
  Lists lists_;
  // Of the images that the lists name, as they were read; by "PLACE:NAME".
  absl::flat_hash_map<std::string, SplitSide> sides_;
  FolderSplit split_;
};

}  // namespace

const OpenedPart* FolderSplit::FindPart(absl::string_view name) const {
  for (const OpenedPart& part : parts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

absl::StatusOr<FolderSplit> SplitFolder(const OpenedFolder& folder,
                                        const FolderSplitOptions& options) {
  return Splitter(folder, options).Split();
}

absl::StatusOr<std::vector<std::string>> FindLeaks(const OpenedFolder& folder,
                                                   const HashOptions& options) {
  if (folder.parts.size() < 2) return std::vector<std::string>();
  const AllImages all = ListImages(folder);
  std::vector<std::string> notices;
  RCNN_ASSIGN_OR_RETURN(const ImageGroups groups, FindGroups(all, options, notices));
  std::vector<int> side;
  std::vector<std::string> names;
  for (const OpenedPart& part : folder.parts) names.push_back(part.name);
  for (const auto& [part, index] : all.places) side.push_back(static_cast<int>(part));
  return CollectLeaks(all, groups, side, names);
}

}  // namespace rcnn::data
