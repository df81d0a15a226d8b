# The steps of OpenWrt's package.mk, as far as our package uses them: the source is looked up in DL_DIR and must have its hash, is
# unpacked and compiled with the target's compiler, installed, and divided among the staging folder and the packages.
PKG_BUILD_DIR:=$(BUILD_DIR)/$(PKG_NAME)-$(PKG_VERSION)
PKG_INSTALL_DIR:=$(PKG_BUILD_DIR)/ipkg-install

MAKE_VARS=CFLAGS="$(TARGET_CFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)"
MAKE_FLAGS=$(TARGET_CONFIGURE_OPTS) CROSS="" ARCH="arm"

define Build/Prepare
	echo "$(PKG_HASH)  $(DL_DIR)/$(PKG_SOURCE)" | sha256sum --check --quiet
	$(INSTALL_DIR) $(BUILD_DIR)
	tar -C $(BUILD_DIR) -xzf $(DL_DIR)/$(PKG_SOURCE)
	cd $(PKG_BUILD_DIR) && ls $(PKG_LICENSE_FILES) > /dev/null
endef
define Build/Compile
	$(MAKE_VARS) $(MAKE) $(if $(PKG_BUILD_PARALLEL),-j2) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS)
endef
define Build/Install
	$(if $(PKG_INSTALL),$(MAKE_VARS) $(MAKE) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS) DESTDIR="$(PKG_INSTALL_DIR)" install)
endef

all: compile
prepare:
	$(Build/Prepare)
compile: prepare
	$(Build/Compile)
	$(Build/Install)
	$(call Build/InstallDev,$(STAGING_DIR))

# A package without what a menu needs, or without files, is a mistake; one that is only built has none.
define BuildPackage
$(Package/$(1))
$(foreach name,SECTION CATEGORY TITLE URL,$(if $(filter $(name):=%,$(subst : =,:=,$(Package/$(1)))),,$(error Package/$(1) has no $(name))))
$(if $(Package/$(1)/description),,$(error Package/$(1) has no description))
all: install-$(1)
install-$(1): compile
	$(if $(Package/$(1)/install),$(call Package/$(1)/install,$(ROOT_DIR)/$(1)),$(if $(findstring BUILDONLY:=1,$(Package/$(1))),,$(error Package/$(1) has no files)))
endef
